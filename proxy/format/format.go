// Package format makes text of an exchange: lines of access logs and values of
// header fields, out of text with operators (internal/operator). A format is
// compiled once to a slice of functions; using it allocates nothing.
package format

import (
	"crypto/tls"
	"net/netip"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/operator"
)

// Entry is what is known of an exchange, or of a connection that was forwarded as
// it is. Only X must be there, with its HTTP part. Everything is read during the call only.
type Entry struct {
	X        *event.Exchange
	Request  *http1.Head   // the client's, with the path as routes have rewritten it; nil where it could not be read
	Fields   []http1.Field // as the upstream got them; nil where it got none
	Answer   []http1.Field // of its head, those that Kept.Keep kept; of the trailers likewise
	Trailers []http1.Field
	Remote   netip.AddrPort // the client as far as x-forwarded-for is believed; X.Client where invalid

	UpstreamLocal, UpstreamRemote  netip.AddrPort // of the last attempt's connection
	UpstreamProtocol               event.Protocol // spoken on it; TCP when there was none
	UpstreamSent, UpstreamReceived int64          // bytes on the wire, of the last attempt
	RequestEnd                     int64          // last byte of the request, ns since the Unix epoch; 0 when unknown
	AttemptStart                   int64          // the same of the last attempt

	TLS *tls.ConnectionState // of the client's connection; nil without TLS. Of one that is passed on it has the name only

	Connection  bool   // it is a connection's
	Termination string // how that ended, where not in order
}

// remote is the client's address, as far as it is believed.
func (e *Entry) remote() netip.AddrPort {
	if e.Remote.IsValid() {
		return e.Remote
	}
	return e.X.Client
}

// fields are the request's, as far as they have come.
func (e *Entry) fields() []http1.Field {
	if e.Fields == nil && e.Request != nil {
		return e.Request.Fields
	}
	return e.Fields
}

// value adds what an operator stands for, or nothing when that is not known.
type value func(b []byte, e *Entry) []byte

// Format is compiled text. The zero value is empty text.
type Format struct {
	pieces           []piece
	late             bool
	answer, trailers [][]byte // names of fields that are asked for
}

type piece struct {
	text  string
	value value
	max   int
	name  string
}

// Use is what a format is for.
type Use uint8

const (
	Header Use = iota // a field's value: what is not known is left out
	Text              // a log's text: "-" stands for what is not known, secrets are withheld
	JSON              // the same inside of a JSON string
)

// New compiles what operator.Parse has read.
func New(pieces []operator.Piece, use Use) Format {
	var f Format
	for _, p := range pieces {
		c := piece{text: p.Text, max: p.Max, name: p.Name}
		switch {
		case p.Name != "":
			c.value = valueOf(&p, use)
			f.late = f.late || hostly(p.Name)
			f.want(&p)
		case use == JSON:
			c.text = string(escapeJSON(nil, []byte(p.Text)))
		}
		f.pieces = append(f.pieces, c)
	}
	return f
}

// Parse is New of what operator.Parse makes of s.
func Parse(s string, known operator.Set, use Use) (Format, error) {
	pieces, err := operator.Parse(s, known)
	if err != nil {
		return Format{}, err
	}
	return New(pieces, use), nil
}

// hostly reports whether an operator's value changes with the upstream host.
func hostly(name string) bool {
	return name == "UPSTREAM_HOST" || name == "UPSTREAM_HOST_NAME" || name == "UPSTREAM_HOST_NAME_WITHOUT_PORT"
}

func (f *Format) want(p *operator.Piece) {
	list := &f.answer
	switch p.Name {
	case "RESP":
	case "TRAILER":
		list = &f.trailers
	case "GRPC_STATUS", "GRPC_STATUS_NUMBER":
		f.trailers = append(f.trailers, []byte("grpc-status"))
		return
	default:
		return
	}
	*list = append(*list, []byte(p.Arg))
	if p.Alt != "" {
		*list = append(*list, []byte(p.Alt))
	}
}

// Wanted are the names of the fields that the format needs of an answer's head
// and of its trailers, for Kept.Keep.
func (f *Format) Wanted() (answer, trailers [][]byte) { return f.answer, f.trailers }

// Late reports whether the text depends on the upstream host, and so may
// change with every attempt.
func (f *Format) Late() bool { return f.late }

// Constant is the format's text where it has no operators.
func (f *Format) Constant() (string, bool) {
	switch {
	case len(f.pieces) == 0:
		return "", true
	case len(f.pieces) == 1 && f.pieces[0].value == nil:
		return f.pieces[0].text, true
	}
	return "", false
}

// AppendHeader adds the text as the value of a field.
func (f *Format) AppendHeader(b []byte, e *Entry) []byte {
	for i := range f.pieces {
		p := &f.pieces[i]
		if p.value == nil {
			b = append(b, p.text...)
			continue
		}
		at := len(b)
		b = p.cut(p.value(b, e), at)
		for j := at; j < len(b); j++ {
			if b[j] < ' ' && b[j] != '\t' || b[j] == 0x7f { // RFC 9110, 5.5
				b[j] = ' '
			}
		}
	}
	return b
}

// AppendText adds the text as a log has it: a value's quotes, backslashes and
// control characters are written as \x22.
func (f *Format) AppendText(b []byte, e *Entry) []byte {
	for i := range f.pieces {
		p := &f.pieces[i]
		if p.value == nil {
			b = append(b, p.text...)
			continue
		}
		at := len(b)
		if b = p.cut(p.value(b, e), at); len(b) == at {
			b = append(b, '-')
			continue
		}
		b = inPlace(b, at, escapeText)
	}
	return b
}

// AppendJSON adds the text as a value of JSON: a number where the format is one
// operator that gives numbers, null where it is one that gives nothing.
func (f *Format) AppendJSON(b []byte, e *Entry) []byte {
	if len(f.pieces) == 1 && f.pieces[0].value != nil {
		return f.pieces[0].appendJSON(b, e)
	}
	b = append(b, '"')
	for i := range f.pieces {
		p := &f.pieces[i]
		if p.value == nil {
			b = append(b, p.text...)
			continue
		}
		at := len(b)
		if b = p.cut(p.value(b, e), at); len(b) == at {
			b = append(b, '-')
			continue
		}
		b = inPlace(b, at, escapeJSON)
	}
	return append(b, '"')
}

func (p *piece) appendJSON(b []byte, e *Entry) []byte {
	start := len(b)
	if !numeric(p.name) {
		b = append(b, '"')
	}
	at := len(b)
	if b = p.cut(p.value(b, e), at); len(b) == at {
		return append(b[:start], "null"...)
	}
	if numeric(p.name) {
		return b
	}
	return append(inPlace(b, at, escapeJSON), '"')
}

// cut leaves at most max bytes of a value, whole characters.
func (p *piece) cut(b []byte, at int) []byte {
	if p.max == 0 || len(b)-at <= p.max {
		return b
	}
	end := at + p.max
	for end > at && b[end]&0xc0 == 0x80 {
		end--
	}
	return b[:end]
}
