package grpc

import (
	"strings"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// call is one exchange. It serves another after Told.
type call struct {
	layer   *Layer
	inspect func(*decode.Message)
	limit   int    // bytes of any one text
	text    []byte // that the exchange borrows
	line    []byte // for inspect

	rpc      event.RPC
	body     [2]body
	encoding [2]string // grpc-encoding, of text
	method   *method   // what a descriptor says of it; nil where none does
	isJSON   bool      // messages are JSON already (application/grpc+json)
	guess    bool      // nothing has said yet that this is gRPC
	late     bool      // taken at the answer: the request's messages were not seen
	packed   bool      // a body or message is under a compression that was not undone
	redacted bool
}

func (k *call) reset(c *decode.Conn) {
	k.inspect, k.limit = c.Inspect, c.Limits.Text
	k.text = k.text[:0]
	k.rpc = event.RPC{Status: -1, Metadata: k.rpc.Metadata[:0]}
	k.body[0].reset()
	k.body[1].reset()
	if k.inspect != nil {
		k.body[0].limit, k.body[0].every = inspected, true
		k.body[1].limit, k.body[1].every = inspected, true
	}
	k.encoding = [2]string{}
	k.method, k.isJSON, k.guess, k.late, k.packed, k.redacted = nil, false, false, false, false, false
}

func (k *call) request(f decode.Fields, what kind) {
	k.open(event.ToServer, what)
	if f == nil {
		return
	}
	path, _ := value(f, wire.RolePath)
	k.named(path)
	if v, ok := value(f, wire.RoleGRPCTimeout); ok {
		k.rpc.Timeout = timeout(v)
	}
	k.common(event.ToServer, f)
}

// named takes the method from a path. A question mark alone is how a path is
// told that HPACK could not tell.
func (k *call) named(path string) {
	path, _, _ = strings.Cut(path, "?")
	name, ok := strings.CutPrefix(path, "/")
	if !ok || name == "" {
		return
	}
	k.rpc.Method = k.keep(name)
	if k.method = k.layer.methods[name]; k.method == nil {
		return
	}
	for d := range k.body {
		k.body[d].limit, k.body[d].every = k.layer.schema.message, k.inspect != nil
	}
}

// Answer implements decode.Call.
func (k *call) Answer(f decode.Fields) { k.answer(f, kindOf(f)) }

func (k *call) answer(f decode.Fields, what kind) {
	if _, told := value(f, wire.RoleContentType); !told {
		what = k.body[event.ToServer].kind // HPACK could not tell, or there is no body
	} else if what != notGRPC {
		k.guess = false
	}
	k.open(event.ToClient, what)
	k.common(event.ToClient, f)
	k.rpc.TrailersOnly = k.status(f)
}

func (k *call) open(d event.Dir, what kind) {
	k.body[d].kind = what
	switch {
	case what == webText:
		k.rpc.Web = "text"
	case what == webBinary && k.rpc.Web == "":
		k.rpc.Web = "binary"
	}
}

// common is what the fields of both sides may have.
func (k *call) common(d event.Dir, f decode.Fields) {
	if v, _ := value(f, wire.RoleGRPCEncoding); v != "" && v != "identity" {
		k.encoding[d] = k.keep(v)
	}
	if v, _ := value(f, wire.RoleContentEncoding); v != "" && v != "identity" && k.body[d].kind != notGRPC {
		k.body[d].kind, k.packed = notGRPC, true // the body as a whole, as gRPC-Web may
	}
	if v, _ := value(f, wire.RoleContentType); strings.Contains(v, "+json") {
		k.isJSON = true
	}
	k.tell(d, f)
}

// Trailers implements decode.Call.
func (k *call) Trailers(d event.Dir, f decode.Fields) {
	k.tell(d, f)
	if d == event.ToClient && k.status(f) {
		k.rpc.TrailersOnly = false
	}
}

// status takes the status from fields that have one.
func (k *call) status(f decode.Fields) bool {
	v, ok := value(f, wire.RoleGRPCStatus)
	if !ok {
		return false
	}
	k.rpc.Status, k.guess = status(v), false
	if m, ok := value(f, wire.RoleGRPCMessage); ok {
		k.rpc.Message = k.keepDecoded(m)
	}
	return true
}

// Data implements decode.Call.
func (k *call) Data(d event.Dir, at int64, b []byte) {
	m := &k.body[d]
	switch m.kind {
	case notGRPC:
	case webText:
		var out [192]byte
		for len(b) > 0 && !m.text.bad {
			n, got := m.text.next(out[:], b)
			b = b[n:]
			k.messages(d, at, out[:got])
		}
	default:
		k.messages(d, at, b)
	}
}

func (k *call) messages(d event.Dir, at int64, b []byte) {
	m := &k.body[d]
	for len(b) > 0 && !m.lost && !m.trailed {
		n, done := m.next(b)
		b = b[n:]
		if done {
			k.end(d, at)
		}
	}
}

// Lost implements decode.Call.
func (k *call) Lost(d event.Dir, at int64, n int64) {
	m := &k.body[d]
	if m.kind == notGRPC {
		return
	}
	m.skip(n)
	if !m.lost && m.rest == 0 {
		k.end(d, at)
	}
}

// end is at the last byte of a message.
func (k *call) end(d event.Dir, at int64) {
	m := &k.body[d]
	if m.end(); m.trailed {
		k.webTrailers(m)
	}
	text := ""
	if k.method != nil && m.limit > 0 && !m.trailed && m.room > 0 && m.whole() {
		text = k.json(d, m)
	}
	if m.messages == 1 && !m.trailed {
		*[...]*string{&k.rpc.RequestJSON, &k.rpc.ResponseJSON}[d] = text
	}
	if k.inspect != nil {
		k.show(d, at, text)
	}
}

// Told implements decode.Call.
func (k *call) Told() {
	k.inspect = nil
	k.layer.calls.Put(k)
}
