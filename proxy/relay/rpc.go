package relay

import (
	"math"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
)

// rpc is what the proxy itself has to do with a call of gRPC: answer in its
// words, and keep its deadline. Counts and status are told by a layer.
type rpc struct {
	on      bool
	timeout int64 // that the client asks for, ns; 0 for none
	text    []byte
	fields  [2]http1.Field
}

// read looks whether h is a call (gRPC over HTTP2, "Requests").
func (r *rpc) read(h *Head) {
	if r.on = called(h.Get("content-type")); r.on {
		r.timeout = parseTimeout(h.Get("grpc-timeout"))
	}
}

// called reports whether a content-type is gRPC's.
func called(kind []byte) bool {
	const grpc = "application/grpc"
	return len(kind) >= len(grpc) && equalFold(kind[:len(grpc)], grpc)
}

// CallOf reports whether f says that a message belongs to a call of gRPC.
func CallOf(f *http1.Field) bool { return equalFold(f.Name, "content-type") && called(f.Value) }

// units of grpc-timeout in ns, the finest first.
var units = [...]struct {
	name byte
	ns   int64
}{{'n', 1}, {'u', 1e3}, {'m', 1e6}, {'S', 1e9}, {'M', 60e9}, {'H', 3600e9}}

// parseTimeout reads at most eight digits and a unit, in ns; 0 when it is
// malformed, the longest there is when it is longer than an int64 can tell.
func parseTimeout(v []byte) int64 {
	if len(v) < 2 || len(v) > 9 {
		return 0
	}
	n := int64(0)
	for _, c := range v[:len(v)-1] {
		if c-'0' > 9 {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	for _, u := range units {
		if u.name == v[len(v)-1] {
			if n > math.MaxInt64/u.ns {
				return math.MaxInt64
			}
			return max(1, n*u.ns) // 0 has passed already
		}
	}
	return 0
}

// lower is when the call must be over: as the client asks, or as its route
// bounds that.
func (r *rpc) lower(most time.Duration, now int64) int64 {
	t := r.timeout
	if most > 0 {
		t = min(t, int64(most))
	}
	if t > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + t
}

// propagate has h say how much time is left until limit, where there is one.
func (r *rpc) propagate(h *Head, limit int64) {
	if limit == 0 || limit == math.MaxInt64 {
		return
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; equalFold(f.Name, "grpc-timeout") {
			r.text = appendTimeout(r.text[:0], max(1, limit-time.Now().UnixNano()))
			f.Value = r.text
		}
	}
}

// appendTimeout adds ns in the finest unit that eight digits suffice for.
func appendTimeout(b []byte, ns int64) []byte {
	for _, u := range units {
		if n := ns / u.ns; n < 1e8 {
			return append(strconv.AppendInt(b, n, 10), u.name)
		}
	}
	return append(b, "99999999H"...)
}

// The statuses of gRPC that requests which no call can be made of end with.
const (
	codeUnimplemented = 12
	codeInternal      = 13
)

// code is the status of gRPC that stands for a failure (gRPC, "HTTP to gRPC
// Status Code Mapping", but for 400, which means that the request broke HTTP).
func code(f *hop.Failure) int {
	if f.GRPC != 0 {
		return f.GRPC
	}
	if f.Flags&event.FlagUT != 0 {
		return 4 // DEADLINE_EXCEEDED
	}
	switch f.Status {
	case 400:
		return codeInternal
	case 401:
		return 16 // UNAUTHENTICATED
	case 403:
		return 7 // PERMISSION_DENIED
	case 404:
		return codeUnimplemented
	case 429, 502, 503, 504:
		return 14 // UNAVAILABLE
	}
	return 2 // UNKNOWN
}

// Names of the fields that end a call; nobody writes to them.
var (
	grpcStatus  = []byte("grpc-status")
	grpcMessage = []byte("grpc-message")
)

// callEnds notes the status that a call has by what followed its answer.
func (e *exchange) callEnds(trailers []http1.Field) {
	for i := range trailers {
		if f := &trailers[i]; e.rpc.on && equalFold(f.Name, "grpc-status") {
			e.counts = hop.CallStatus(f.Value)
		}
	}
}

// trailers are the fields that end a call with a failure.
func (r *rpc) trailers(f *hop.Failure) []http1.Field { return r.ends(code(f), f.Detail) }

// ends are the fields that end a call with a status, and with a text that has
// nothing to percent-encode.
func (r *rpc) ends(status int, text string) []http1.Field {
	r.text = append(strconv.AppendInt(r.text[:0], int64(status), 10), text...)
	at := len(r.text) - len(text)
	r.fields[0] = http1.Field{Name: grpcStatus, Value: r.text[:at:at]}
	r.fields[1] = http1.Field{Name: grpcMessage, Value: r.text[at:]}
	if text == "" {
		return r.fields[:1]
	}
	return r.fields[:]
}
