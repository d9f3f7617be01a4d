// Package operator reads the language of access logs and of header values that
// are made of an exchange: text with operators between percent signs, as
// Envoy's command operators, %REQ(x-tenant?:authority):20%.
package operator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pitot-io/pitot/internal/spelling"
)

// Piece is a piece of a format: Text where Name is empty, else an operator.
type Piece struct {
	Text string
	Name string
	Arg  string // what stands in parentheses, before a "?" where the operator takes an alternative
	Alt  string
	Max  int // bytes of the value; 0 for no limit
}

// Parse reads a format of the operators in known. Its errors name the operator
// and those that exist.
func Parse(s string, known Set) ([]Piece, error) {
	var all []Piece
	for s != "" {
		i := strings.IndexByte(s, '%')
		switch {
		case i < 0:
			return text(all, s), nil
		case i+1 < len(s) && s[i+1] == '%':
			all, s = text(all, s[:i+1]), s[i+2:]
			continue
		}
		p, rest, err := one(s[i:], known)
		if err != nil {
			return nil, err
		}
		all, s = append(text(all, s[:i]), p), rest
	}
	return all, nil
}

// text adds s to what stands at the end of all.
func text(all []Piece, s string) []Piece {
	if n := len(all); n > 0 && all[n-1].Name == "" {
		all[n-1].Text += s
		return all
	}
	if s == "" {
		return all
	}
	return append(all, Piece{Text: s})
}

// one reads the operator at the start of s.
func one(s string, known Set) (p Piece, rest string, err error) {
	end := 1
	for end < len(s) && (s[end]-'A' < 26 || s[end] == '_' || s[end]-'0' < 10) {
		end++
	}
	p.Name = s[1:end]
	k, ok := known.find(p.Name)
	if !ok {
		return p, "", known.unknown(s, p.Name)
	}
	rest = s[end:]
	if strings.HasPrefix(rest, "(") {
		i := strings.IndexByte(rest, ')')
		if i < 0 {
			return p, "", fmt.Errorf("%%%s( has no )", p.Name)
		}
		p.Arg, rest = rest[1:i], rest[i+1:]
	}
	if strings.HasPrefix(rest, ":") {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			return p, "", unclosed(p.Name)
		}
		if p.Max, err = strconv.Atoi(rest[1:i]); err != nil || p.Max < 1 {
			return p, "", fmt.Errorf("%%%s: %q is no length; must be a number of bytes, as %%REQ(user-agent):40%%", p.Name, rest[1:i])
		}
		rest = rest[i:]
	}
	if !strings.HasPrefix(rest, "%") {
		return p, "", unclosed(p.Name)
	}
	return p, rest[1:], k.check(&p)
}

func unclosed(name string) error {
	return fmt.Errorf("%%%s is not closed by %%; write %%%% for a percent sign", name)
}

// Operator is one operator of a Set.
type Operator struct {
	Name  string
	Arg   Arg
	Early bool // its value is known before a request goes to its upstream
}

// Arg says what stands in an operator's parentheses.
type Arg uint8

const (
	None     Arg = iota
	Field        // the name of a field, perhaps "?" and that of another
	Param        // the name of a query parameter or an environment variable
	Time         // a format of times (ParseTime), or nothing
	Span         // two points in time and a unit, as DS_RX_BEG:US_RX_BEG:us
	PathKind     // WQ or NQ: with or without the query; nothing is WQ
)

func (o *Operator) check(p *Piece) error {
	switch o.Arg {
	case None:
		if p.Arg != "" {
			return fmt.Errorf("%%%s%% takes nothing in parentheses", o.Name)
		}
	case Field:
		p.Arg, p.Alt, _ = strings.Cut(p.Arg, "?")
		p.Arg, p.Alt = strings.ToLower(p.Arg), strings.ToLower(p.Alt)
		if !fieldName(p.Arg) || p.Alt != "" && !fieldName(p.Alt) {
			return fmt.Errorf("%%%s%% takes the name of a field, as %%%s(user-agent)%% or %%%s(x-tenant?:authority)%%", o.Name, o.Name, o.Name)
		}
	case Param:
		if p.Arg == "" {
			return fmt.Errorf("%%%s%% takes a name, as %%%s(name)%%", o.Name, o.Name)
		}
	case Time:
		_, err := ParseTime(p.Arg)
		return err
	case Span:
		_, err := ParseSpan(p.Arg)
		return err
	case PathKind:
		if p.Arg != "" && p.Arg != "WQ" && p.Arg != "NQ" {
			return fmt.Errorf("%%%s(%s)%%: must be WQ, with the query, or NQ, without", o.Name, p.Arg)
		}
	}
	return nil
}

func fieldName(s string) bool {
	s = strings.TrimPrefix(s, ":")
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// Set is the operators that a format may use.
type Set []Operator

func (s Set) find(name string) (*Operator, bool) {
	i := slices.IndexFunc(s, func(o Operator) bool { return o.Name == name })
	if i < 0 {
		return nil, false
	}
	return &s[i], true
}

// Names are the operators' names in order.
func (s Set) Names() []string {
	var all []string
	for i := range s {
		all = append(all, s[i].Name)
	}
	slices.Sort(all)
	return all
}

func (s Set) unknown(at, name string) error {
	if name == "" {
		if len(at) > 12 {
			at = at[:12] + "..."
		}
		return fmt.Errorf("%q begins no operator; write %%%% for a percent sign, or one of %s", at, strings.Join(s.Names(), ", "))
	}
	best, near := 4, ""
	for i := range s {
		if d := spelling.Distance(name, s[i].Name); d < best {
			best, near = d, ", did you mean "+s[i].Name+"?"
		}
	}
	return fmt.Errorf("%%%s%% is no operator here%s; there are: %s", name, near, strings.Join(s.Names(), ", "))
}
