package event

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

// AppendJSON adds x to b as one line of the JSON Lines contract, newline
// included. The order of keys is fixed, so equal exchanges give equal bytes.
func (x *Exchange) AppendJSON(b []byte) []byte {
	b = append(b, `{"kind":"span","trace_id":"`...)
	b = hex.AppendEncode(b, x.TraceID[:])
	b = append(b, `","span_id":"`...)
	b = hex.AppendEncode(b, x.SpanID[:])
	b = append(b, `","parent_span_id":"`...)
	if !x.ParentID.IsZero() {
		b = hex.AppendEncode(b, x.ParentID[:])
	}
	b = append(b, '"')
	b = appendField(b, "name", x.Name)
	b = appendField(b, "span_kind", x.Kind.String())
	b = appendField(b, "service", x.Service)
	b = appendField(b, "peer_service", x.Peer)
	b = appendField(b, "protocol", x.Protocol.String())
	b = x.appendTimes(b)
	b = appendField(b, "status", x.Status.String())
	b = appendField(b, "status_message", x.StatusMessage)
	b = appendAddr(b, "client", x.Client)
	b = appendAddr(b, "server", x.Server)
	b = append(b, `,"tcp_stream":`...)
	b = appendInt(b, x.Stream)
	b = append(b, `,"attempt":`...)
	b = appendInt(b, int64(x.Attempt))
	b = append(b, `,"response_flags":"`...)
	b = x.Flags.Append(b)
	b = append(b, `","decode_flags":[`...)
	b = x.Decode.appendNames(b)
	b = append(b, `],"attributes":{`...)
	b = x.appendAttributes(b)
	return append(b, "}}\n"...)
}

func (x *Exchange) appendTimes(b []byte) []byte {
	b = append(b, `,"start":"`...)
	b = appendTime(b, x.Start)
	b = append(b, `","end":"`...)
	b = appendTime(b, x.End)
	b = append(b, `","duration_ns":`...)
	b = appendInt(b, x.Duration())
	b = append(b, `,"ttfb_ns":`...)
	return appendInt(b, x.TTFB())
}

func (d DecodeFlags) appendNames(b []byte) []byte {
	first := true
	d.Each(func(name string) {
		if !first {
			b = append(b, ',')
		}
		first, b = false, appendString(b, name)
	})
	return b
}

func (x *Exchange) appendAttributes(b []byte) []byte {
	first := true
	x.Attributes(func(a Attr) {
		if !first {
			b = append(b, ',')
		}
		first = false
		if a.Foreign {
			b = appendString(b, a.Key)
		} else {
			b = append(b, '"')
			b = append(b, a.Key...)
			b = append(b, '"')
		}
		b = append(b, ':')
		if a.IsInt {
			b = appendInt(b, a.Int)
		} else {
			b = appendString(b, a.Text)
		}
	})
	return b
}

// AppendJSON adds n to b as one line of the JSON Lines contract.
func (n *Notice) AppendJSON(b []byte) []byte {
	b = append(b, `{"kind":"event","time":"`...)
	b = appendTime(b, n.Time)
	b = append(b, '"')
	b = appendField(b, "name", n.Name)
	b = appendField(b, "severity", n.Severity.String())
	b = appendField(b, "service", n.Service)
	b = append(b, `,"trace_id":"`...)
	if !n.TraceID.IsZero() {
		b = hex.AppendEncode(b, n.TraceID[:])
	}
	b = append(b, `","span_id":"`...)
	if !n.SpanID.IsZero() {
		b = hex.AppendEncode(b, n.SpanID[:])
	}
	b = append(b, '"')
	b = appendField(b, "body", n.Body)
	b = append(b, `,"attributes":{`...)
	for i, kv := range n.Attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, kv.Key)
		b = append(b, ':')
		b = appendString(b, kv.Value)
	}
	return append(b, "}}\n"...)
}

func appendField(b []byte, key, value string) []byte {
	b = append(b, `,"`...)
	b = append(b, key...)
	b = append(b, `":`...)
	return appendString(b, value)
}

func appendAddr(b []byte, key string, a netip.AddrPort) []byte {
	b = append(b, `,"`...)
	b = append(b, key...)
	b = append(b, `":"`...)
	if a.IsValid() {
		b = a.AppendTo(b)
	}
	return append(b, '"')
}

// appendTime writes RFC 3339 in UTC, with nanoseconds where there are any.
func appendTime(b []byte, ns int64) []byte {
	return time.Unix(0, ns).UTC().AppendFormat(b, time.RFC3339Nano)
}

func appendInt(b []byte, v int64) []byte   { return strconv.AppendInt(b, v, 10) }
func appendUint(b []byte, v uint64) []byte { return strconv.AppendUint(b, v, 10) }

const hexDigits = "0123456789abcdef"

// plain marks the bytes that stand in a JSON string as they are.
var plain = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendString writes s as a JSON string (RFC 8259, section 7). Bytes that are
// not UTF-8, which hostile traffic is full of, become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		n := plainPrefix(s)
		b = append(b, s[:n]...)
		if n == len(s) {
			return append(b, '"')
		}
		b, n = appendOdd(b, s, n)
		s = s[n:]
	}
}

// plainPrefix is how many bytes at the start of s are plain. It looks at
// eight bytes at a time, since most text is plain from end to end.
func plainPrefix(s string) (n int) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	p := unsafe.Slice(unsafe.StringData(s), len(s))
	for ; len(p)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64(p[n:])
		quote, slash, del := x^(ones*'"'), x^(ones*'\\'), x^(ones*0x7f)
		if (x|(x-ones*' ')|(quote-ones)|(slash-ones)|(del-ones))&high != 0 {
			break // one of the eight may be odd: a false alarm costs only time
		}
	}
	for n < len(s) && plain[s[n]] {
		n++
	}
	return n
}

// appendOdd writes the character at s[at:], which is not plain, and returns
// where the next one begins.
func appendOdd(b []byte, s string, at int) ([]byte, int) {
	if s[at] < utf8.RuneSelf {
		return appendEscape(b, s[at]), at + 1
	}
	r, size := utf8.DecodeRuneInString(s[at:])
	return utf8.AppendRune(b, r), at + size
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
