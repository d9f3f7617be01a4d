// Package grpc tells the calls of gRPC and gRPC-Web. It is a layer on HTTP's
// exchanges: the decoders of HTTP show it fields and bodies, and it counts
// messages, reads the status, and fills in what a span says of the call.
//
// Facts are from the gRPC project's documents PROTOCOL-HTTP2 and PROTOCOL-WEB.
package grpc

import (
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
)

// Options of the layer. The zero value tells neither metadata nor payloads.
type Options struct {
	// Metadata names the fields that are told, of requests, answers and
	// trailers. Secrets (semantics.SecretField) are never told.
	Metadata []string

	// Descriptors, where set, say what methods take and answer. With them the
	// first message of each side is told as JSON, and the kind of streaming is
	// the method's. Messages may hold personal data.
	Descriptors *protoregistry.Files

	Payload int // bytes of JSON told of a message; 0 means 4 KiB
	Message int // bytes of a message, inflated, that is turned into JSON; a longer one is not; 0 means 64 KiB
}

const (
	defaultPayload = 4 << 10
	defaultMessage = 64 << 10
)

// Layer is what decoders of HTTP are given. One serves all connections.
type Layer struct {
	metadata []field
	methods  map[string]*method // by "pkg.Service/Method"; empty without descriptors
	schema   schema
	calls    sync.Pool // of *call
}

// field is one of the allow-list, with its names as attributes.
type field struct{ name, request, response string }

// New makes the layer.
func New(o Options) *Layer {
	if o.Payload <= 0 {
		o.Payload = defaultPayload
	}
	if o.Message <= 0 {
		o.Message = defaultMessage
	}
	l := &Layer{metadata: fields(o.Metadata)}
	if o.Descriptors != nil {
		l.schema = newSchema(o)
		l.methods = methods(o.Descriptors)
	}
	l.calls.New = func() any { return &call{layer: l} }
	return l
}

// Open takes the exchange when its content type is one of gRPC's, or may be
// but cannot be told: then its bodies decide.
func (l *Layer) Open(c *decode.Conn, request, answer decode.Fields) decode.Call {
	in, out := kindOf(request), kindOf(answer)
	guess := in == notGRPC && answer == nil && untold(request)
	if guess {
		in = plain
	}
	if in == notGRPC && out == notGRPC {
		return nil
	}
	k := l.calls.Get().(*call)
	k.reset(c)
	if k.guess = guess; guess {
		k.inspect = nil
	}
	k.request(request, in)
	if answer != nil {
		k.late = true
		k.answer(answer, out)
	}
	return k
}

// kind of body that a content type names.
type kind uint8

const (
	notGRPC   kind = iota
	plain          // application/grpc
	webBinary      // application/grpc-web
	webText        // application/grpc-web-text: the same in base64
)

// types are the content types, of which the longest that fits decides.
var types = [...]struct {
	name string
	kind kind
}{
	{"application/grpc-web-text-base64", webText},
	{"application/grpc-web-text", webText},
	{"application/grpc-web", webBinary},
	{"application/grpc", plain},
}

func kindOf(f decode.Fields) kind {
	if f == nil {
		return notGRPC
	}
	v, _ := value(f, wire.RoleContentType)
	if v == "application/grpc" {
		return plain
	}
	for i := range types {
		t := &types[i]
		if len(v) < len(t.name) || !strings.EqualFold(v[:len(t.name)], t.name) {
			continue
		}
		if rest := v[len(t.name):]; rest == "" || strings.IndexByte("+; \t", rest[0]) >= 0 {
			return t.kind
		}
	}
	return notGRPC
}

// value is f's first field of a role: in HTTP/2 found without its name.
func value(f decode.Fields, r wire.Role) (v string, ok bool) {
	if s, is := f.(*wire.Section); is {
		return s.Of(r)
	}
	return f.Field(r.Name())
}
