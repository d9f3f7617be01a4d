// Package pcapfilter reads capture filters as tcpdump takes them, and makes
// programs for the kernel of them:
//
//	tcp port 27017 and host 10.0.0.7
//	net 10.0.0.0/8 and not (port 22 or 53)
//
// It is a stated part of pcap-filter(7), with the same meaning:
//
//	[ip|ip6|arp|rarp] [src|dst|src or dst|src and dst] host ADDRESS
//	[ip|ip6|arp|rarp] [src|dst|...] net ADDRESS/BITS, ADDRESS mask MASK, or 10.1
//	[tcp|udp|sctp] [src|dst|...] port N, portrange N-M
//	ip, ip6, arp, rarp, tcp, udp, sctp, icmp, icmp6, igmp, esp, ah
//	[ip|ip6] proto N or a name of the line above
//	less N, greater N, len OP N with OP one of < <= = != >= >
//	and (&&), or (||), not (!), parentheses
//
// "and" and "or" bind equally and from the left; a number or an address alone
// takes the words before the last one of its kind: "port 80 or 443". Names of
// hosts and ports are not looked up. As with tcpdump, IPv6 extension headers
// but a fragment's are not looked behind.
package pcapfilter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What an expression may be.
const (
	maxLength  = 64 << 10 // bytes
	maxNesting = 200
)

// Supported tells in one line what can be asked for.
const Supported = "host, net, port and portrange with src or dst, protocols such as tcp or ip6, less, greater, len, and, or, not and parentheses"

// Error is a mistake in an expression and where it is.
type Error struct {
	Input string // the whole expression
	Pos   int    // offset of the mistake in bytes
	Msg   string // what is wrong and what would be right
}

// Error names the place by column, counted in characters from 1.
func (e *Error) Error() string {
	return fmt.Sprintf("at column %d: %s", utf8.RuneCountInString(e.Input[:min(e.Pos, len(e.Input))])+1, e.Msg)
}

// Filter is a parsed expression. It may be used by many goroutines at once.
type Filter struct {
	text string
	root expr // nil fits everything
}

// Parse reads an expression; the empty one fits every packet. Errors are *Error.
func Parse(text string) (*Filter, error) {
	if len(text) > maxLength {
		return nil, &Error{Input: text, Pos: maxLength, Msg: fmt.Sprintf("the expression is longer than %d bytes", maxLength)}
	}
	f := &Filter{text: strings.TrimSpace(text)}
	if f.text == "" {
		return f, nil
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: tokens}
	f.root, err = p.parse()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// String is the expression as it was given.
func (f *Filter) String() string { return f.text }

// expr is a node of a parsed expression.
type expr interface {
	match(v *view) bool
	gen(g *generator, yes, no label) label
}

type (
	and struct{ a, b expr }
	or  struct{ a, b expr }
	not struct{ a expr }
)
