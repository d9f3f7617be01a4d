package event

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ParseJSON reads one line of the JSON Lines contract: the inverse of
// AppendJSON. One of x and n is set when err is nil; both are the caller's.
// Keys it does not know are passed over. What the contract does not carry is
// not there: trace state, the ids of a comment, whether an answer was a chain.
func ParseJSON(line []byte) (x *Exchange, n *Notice, err error) {
	s := &scanner{in: string(line)}
	switch kind := kindOf(s.in); kind {
	case "span":
		x = new(Exchange)
		parseExchange(s, x)
	case "event":
		n = new(Notice)
		parseNotice(s, n)
	default:
		s.fail("kind %q is neither span nor event", kind)
	}
	if s.err == nil && (s.peek() != 0 || s.at < len(s.in)) {
		s.fail("more than one value in a line")
	}
	if s.err != nil {
		return nil, nil, fmt.Errorf("event: not a line of pitot's JSON Lines: %w", s.err)
	}
	return x, n, nil
}

// kindOf is the value of "kind", which pitot writes first, wherever it stands.
func kindOf(line string) (kind string) {
	if k, ok := strings.CutPrefix(line, `{"kind":"`); ok {
		kind, _, _ = strings.Cut(k, `"`)
		return kind
	}
	s := &scanner{in: line}
	s.object(func(key string) {
		if key == "kind" && s.peek() == '"' {
			kind = s.text()
			return
		}
		s.skip()
	})
	return kind
}

// value is a number or a text, whichever stood there.
type value struct {
	text   string
	number bool
}

// value takes a string, number or boolean; null and others are the empty text.
func (s *scanner) value() value {
	switch c := s.peek(); c {
	case '"':
		return value{text: s.text()}
	case '{', '[', 'n':
		s.skip()
		return value{}
	case 't', 'f':
		start := s.at
		s.skip()
		return value{text: s.in[start:s.at]}
	}
	return value{s.number(), true}
}

// whole is v as a whole number; a T that cannot hold it is an error.
func whole[T ~int | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32](s *scanner, key string, v value) T {
	n, err := strconv.ParseInt(v.text, 10, 64)
	if t := T(n); err == nil && int64(t) == n {
		return t
	}
	s.fail("%s: %q is no whole number that fits", key, v.text)
	return 0
}

func parseExchange(s *scanner, x *Exchange) {
	var ttfb int64
	s.object(func(key string) {
		switch key {
		case "attributes":
			s.object(func(key string) { x.setAttribute(s, key, s.value()) })
		case "decode_flags":
			s.list('[', ']', func() { x.Decode |= ParseDecodeFlag(s.text()) })
		case "ttfb_ns":
			ttfb = whole[int64](s, key, s.value())
		default:
			x.setField(s, key)
		}
	})
	if ttfb > 0 {
		x.FirstByte = x.Start + ttfb
	}
}

func (x *Exchange) setField(s *scanner, key string) {
	v := value{}
	if s.peek() == '{' || s.peek() == '[' {
		s.skip()
		return
	}
	v = s.value()
	switch key {
	case "trace_id":
		s.hex(key, v, x.TraceID[:])
	case "span_id":
		s.hex(key, v, x.SpanID[:])
	case "parent_span_id":
		s.hex(key, v, x.ParentID[:])
	case "name":
		x.Name = v.text
	case "span_kind":
		x.Kind = parseKind(v.text)
	case "service":
		x.Service = v.text
	case "peer_service":
		x.Peer = v.text
	case "protocol":
		x.Protocol, _ = ParseProtocol(v.text)
	case "start":
		x.Start = s.time(key, v)
	case "end":
		x.End = s.time(key, v)
	case "status":
		x.Status = parseStatus(v.text)
	case "status_message":
		x.StatusMessage = v.text
	case "client":
		x.Client = s.addr(key, v)
	case "server":
		x.Server = s.addr(key, v)
	case "tcp_stream":
		x.Stream = whole[int64](s, key, v)
	case "attempt":
		x.Attempt = whole[uint8](s, key, v)
	case "response_flags":
		x.Flags = ParseResponseFlags(v.text)
	}
}

func parseNotice(s *scanner, n *Notice) {
	s.object(func(key string) {
		if key == "attributes" {
			s.object(func(key string) { n.Attributes = append(n.Attributes, KeyValue{key, s.value().text}) })
			return
		}
		v := s.value()
		switch key {
		case "time":
			n.Time = s.time(key, v)
		case "name":
			n.Name = v.text
		case "severity":
			n.Severity = ParseSeverity(v.text)
		case "service":
			n.Service = v.text
		case "trace_id":
			s.hex(key, v, n.TraceID[:])
		case "span_id":
			s.hex(key, v, n.SpanID[:])
		case "body":
			n.Body = v.text
		}
	})
}

// hex fills id; the empty text leaves it zero.
func (s *scanner) hex(key string, v value, id []byte) {
	if v.text == "" {
		return
	}
	if len(v.text) != hex.EncodedLen(len(id)) {
		s.fail("%s has %d hex digits, not %d", key, len(v.text), hex.EncodedLen(len(id)))
		return
	}
	if _, err := hex.Decode(id, []byte(v.text)); err != nil {
		s.fail("%s: %w", key, err)
	}
}

func (s *scanner) time(key string, v value) int64 {
	t, err := time.Parse(time.RFC3339Nano, v.text)
	if err != nil {
		s.fail("%s: %q is no time of RFC 3339", key, v.text)
		return 0
	}
	return t.UnixNano()
}

func (s *scanner) addr(key string, v value) netip.AddrPort {
	if v.text == "" {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddrPort(v.text)
	if err != nil {
		s.fail("%s: %q is no address with port", key, v.text)
	}
	return a
}

func parseKind(s string) Kind {
	if s == Client.String() {
		return Client
	}
	return Server
}

func parseStatus(s string) Status {
	switch s {
	case OK.String():
		return OK
	case Error.String():
		return Error
	}
	return Unset
}
