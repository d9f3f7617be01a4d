package format

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/operator"
)

// numeric reports whether an operator gives whole numbers.
func numeric(name string) bool {
	switch name {
	case "DURATION", "REQUEST_DURATION", "RESPONSE_DURATION", "RESPONSE_TX_DURATION", "COMMON_DURATION", "RESPONSE_CODE", "GRPC_STATUS_NUMBER",
		"UPSTREAM_REQUEST_ATTEMPT_COUNT", "BYTES_RECEIVED", "BYTES_SENT", "DOWNSTREAM_WIRE_BYTES_RECEIVED", "DOWNSTREAM_WIRE_BYTES_SENT",
		"UPSTREAM_WIRE_BYTES_RECEIVED", "UPSTREAM_WIRE_BYTES_SENT", "UPSTREAM_LOCAL_PORT", "UPSTREAM_REMOTE_PORT", "DOWNSTREAM_REMOTE_PORT",
		"DOWNSTREAM_DIRECT_REMOTE_PORT", "DOWNSTREAM_LOCAL_PORT", "CONNECTION_ID":
		return true
	}
	return false
}

// valueOf is what an operator stands for. A test holds that every operator of
// internal/operator is here.
func valueOf(p *operator.Piece, use Use) value {
	for _, table := range []func(*operator.Piece, Use) value{timeValue, resultValue, byteValue, placeValue, idValue, fieldValue, tlsValue} {
		if v := table(p, use); v != nil {
			return v
		}
	}
	switch p.Name {
	case "HOSTNAME":
		name, _ := os.Hostname() // without one the value is empty
		return constant(name)
	case "ENVIRONMENT":
		return constant(os.Getenv(p.Arg))
	case "ACCESS_LOG_TYPE":
		return text(logType)
	}
	return nil
}

// logType is what a line is about, in Envoy's words.
func logType(e *Entry) string {
	if e.Connection {
		return "TcpConnectionEnd"
	}
	return "DownstreamEnd"
}

func constant(s string) value {
	return func(b []byte, _ *Entry) []byte { return append(b, s...) }
}

func timeValue(p *operator.Piece, _ Use) value {
	switch p.Name {
	case "START_TIME":
		f, _ := operator.ParseTime(p.Arg) // operator.Parse has tried it
		return func(b []byte, e *Entry) []byte { return f.Append(b, e.X.Start) }
	case "EMIT_TIME":
		f, _ := operator.ParseTime(p.Arg)
		return func(b []byte, _ *Entry) []byte { return f.Append(b, time.Now().UnixNano()) }
	case "DURATION":
		return interval(operator.RequestBegins, operator.AnswerEnds, 1e6)
	case "REQUEST_DURATION":
		return interval(operator.RequestBegins, operator.RequestEnds, 1e6)
	case "RESPONSE_DURATION":
		return interval(operator.RequestBegins, operator.AnswerBegins, 1e6)
	case "RESPONSE_TX_DURATION":
		return interval(operator.AnswerBegins, operator.AnswerEnds, 1e6)
	case "COMMON_DURATION":
		i, _ := operator.ParseSpan(p.Arg) // operator.Parse has tried it
		return interval(i.From, i.To, i.Unit)
	}
	return nil
}

// interval is the time between two points, in units of so many ns; nothing when
// one of them is not known.
func interval(from, to operator.Point, unit int64) value {
	return func(b []byte, e *Entry) []byte {
		f, t := e.at(from), e.at(to)
		if f == 0 || t == 0 {
			return b
		}
		return strconv.AppendInt(b, max(0, t-f)/unit, 10)
	}
}

func (e *Entry) at(p operator.Point) int64 {
	switch p {
	case operator.RequestBegins:
		return e.X.Start
	case operator.RequestEnds:
		return e.RequestEnd
	case operator.AttemptBegins:
		return e.AttemptStart
	case operator.AnswerBegins:
		return e.X.FirstByte
	}
	return e.X.End
}

func resultValue(p *operator.Piece, _ Use) value {
	switch p.Name {
	case "RESPONSE_CODE": // 0 without an answer, as Envoy's
		return number(func(e *Entry) int64 { return int64(e.X.HTTP.StatusCode) })
	case "RESPONSE_CODE_DETAILS":
		return details
	case "CONNECTION_TERMINATION_DETAILS":
		return text(func(e *Entry) string { return e.Termination })
	case "RESPONSE_FLAGS":
		return func(b []byte, e *Entry) []byte { return e.X.Flags.Append(b) }
	case "RESPONSE_FLAGS_LONG":
		return func(b []byte, e *Entry) []byte { return e.X.Flags.AppendLong(b) }
	case "GRPC_STATUS":
		return grpcName
	case "GRPC_STATUS_NUMBER":
		return func(b []byte, e *Entry) []byte {
			if s := e.grpcStatus(); s >= 0 {
				b = strconv.AppendInt(b, int64(s), 10)
			}
			return b
		}
	case "UPSTREAM_REQUEST_ATTEMPT_COUNT":
		return number(func(e *Entry) int64 {
			if e.X.Endpoint == "" {
				return 0
			}
			return int64(e.X.Attempt) + 1
		})
	}
	return nil
}

// details are Envoy's response code details.
func details(b []byte, e *Entry) []byte {
	if e.X.StatusMessage == "" && e.X.HTTP.StatusCode > 0 {
		return append(b, "via_upstream"...)
	}
	return append(b, e.X.StatusMessage...)
}

func grpcName(b []byte, e *Entry) []byte {
	if s := e.grpcStatus(); s >= 0 {
		b = append(b, event.GRPCStatus(s)...)
	}
	return b
}

// grpcStatus is the status of a call, -1 when there is none: as decoded, or as
// trailers say.
func (e *Entry) grpcStatus() int32 {
	if e.X.GRPC != nil {
		return e.X.GRPC.Status
	}
	for i := range e.Trailers {
		if f := &e.Trailers[i]; bytes.EqualFold(f.Name, []byte("grpc-status")) {
			if n, err := strconv.ParseInt(string(f.Value), 10, 32); err == nil && n >= 0 {
				return int32(n)
			}
		}
	}
	return -1
}

func number(n func(*Entry) int64) value {
	return func(b []byte, e *Entry) []byte { return strconv.AppendInt(b, n(e), 10) }
}

func byteValue(p *operator.Piece, _ Use) value {
	switch p.Name {
	case "BYTES_RECEIVED":
		return number(func(e *Entry) int64 { return e.X.HTTP.RequestBody })
	case "BYTES_SENT":
		return number(func(e *Entry) int64 { return e.X.HTTP.ResponseBody })
	case "DOWNSTREAM_WIRE_BYTES_RECEIVED":
		return number(func(e *Entry) int64 { return e.X.RequestBytes })
	case "DOWNSTREAM_WIRE_BYTES_SENT":
		return number(func(e *Entry) int64 { return e.X.ResponseBytes })
	case "UPSTREAM_WIRE_BYTES_RECEIVED":
		return number(func(e *Entry) int64 { return e.UpstreamReceived })
	case "UPSTREAM_WIRE_BYTES_SENT":
		return number(func(e *Entry) int64 { return e.UpstreamSent })
	}
	return nil
}

func placeValue(p *operator.Piece, _ Use) value {
	switch p.Name {
	case "LISTENER":
		return text(func(e *Entry) string { return e.X.Listener })
	case "ROUTE_NAME":
		return text(func(e *Entry) string { return e.X.Route })
	case "CLUSTER", "UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW":
		return text(func(e *Entry) string { return e.X.Cluster })
	case "UPSTREAM_HOST":
		return func(b []byte, e *Entry) []byte {
			if e.UpstreamRemote.IsValid() {
				return e.UpstreamRemote.AppendTo(b)
			}
			return append(b, e.X.Endpoint...)
		}
	case "UPSTREAM_HOST_NAME":
		return text(func(e *Entry) string { return e.X.Endpoint })
	case "UPSTREAM_HOST_NAME_WITHOUT_PORT":
		return text(func(e *Entry) string { return WithoutPort(e.X.Endpoint) })
	}
	for _, a := range addresses {
		switch p.Name {
		case a.name + "_ADDRESS":
			return func(b []byte, e *Entry) []byte { return appendAddress(b, a.of(e)) }
		case a.name + "_ADDRESS_WITHOUT_PORT":
			return func(b []byte, e *Entry) []byte {
				if at := a.of(e); at.IsValid() {
					b = at.Addr().Unmap().AppendTo(b)
				}
				return b
			}
		case a.name + "_PORT":
			return func(b []byte, e *Entry) []byte {
				if at := a.of(e); at.Port() != 0 {
					b = strconv.AppendInt(b, int64(at.Port()), 10)
				}
				return b
			}
		}
	}
	return nil
}

// WithoutPort is host:port without its port.
func WithoutPort(address string) string {
	for i := len(address) - 1; i >= 0; i-- {
		switch address[i] {
		case ':':
			return address[:i]
		case ']':
			return address
		}
	}
	return address
}

var addresses = []struct {
	name string
	of   func(*Entry) netip.AddrPort
}{
	{"UPSTREAM_LOCAL", func(e *Entry) netip.AddrPort { return e.UpstreamLocal }},
	{"UPSTREAM_REMOTE", func(e *Entry) netip.AddrPort { return e.UpstreamRemote }},
	{"DOWNSTREAM_REMOTE", (*Entry).remote},
	{"DOWNSTREAM_DIRECT_REMOTE", func(e *Entry) netip.AddrPort { return e.X.Client }},
	{"DOWNSTREAM_LOCAL", func(e *Entry) netip.AddrPort { return e.X.Server }},
}

// appendAddress adds an address, with its port where it has one: one out of
// x-forwarded-for has none.
func appendAddress(b []byte, a netip.AddrPort) []byte {
	switch {
	case !a.IsValid():
		return b
	case a.Port() == 0:
		return a.Addr().Unmap().AppendTo(b)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).AppendTo(b)
}

func text(s func(*Entry) string) value {
	return func(b []byte, e *Entry) []byte { return append(b, s(e)...) }
}

func idValue(p *operator.Piece, _ Use) value {
	switch p.Name {
	case "CONNECTION_ID":
		return number(func(e *Entry) int64 { return e.X.Stream })
	case "REQUEST_ID":
		return func(b []byte, e *Entry) []byte {
			fields := e.fields()
			for i := range fields {
				if f := &fields[i]; f.ID == http1.XRequestID && !f.Hop {
					return append(b, f.Value...)
				}
			}
			return b
		}
	case "TRACE_ID":
		return func(b []byte, e *Entry) []byte {
			if e.X.TraceID.IsZero() {
				return b
			}
			return hex.AppendEncode(b, e.X.TraceID[:])
		}
	case "SPAN_ID":
		return func(b []byte, e *Entry) []byte {
			if e.X.SpanID.IsZero() {
				return b
			}
			return hex.AppendEncode(b, e.X.SpanID[:])
		}
	case "PROTOCOL":
		return func(b []byte, e *Entry) []byte {
			if e.Connection {
				return b
			}
			return append(append(b, "HTTP/"...), e.X.HTTP.Version...)
		}
	case "UPSTREAM_PROTOCOL":
		return text(upstreamProtocol)
	}
	return nil
}

func upstreamProtocol(e *Entry) string {
	switch e.UpstreamProtocol {
	case event.HTTP10:
		return "HTTP/1.0"
	case event.HTTP11:
		return "HTTP/1.1"
	case event.HTTP2, event.GRPC:
		return "HTTP/2"
	}
	return ""
}
