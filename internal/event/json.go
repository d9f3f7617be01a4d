package event

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
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
		first, b = false, appendString(b, a.Key)
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

// appendString writes s as a JSON string (RFC 8259, section 7). Bytes that are
// not UTF-8, which hostile traffic is full of, become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[start:i]...)
			b = append(b, "\ufffd"...)
			start = i + 1
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
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
