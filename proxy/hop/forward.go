package hop

import (
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
)

// Names of the fields that are added; nobody writes to them.
var (
	xForwardedFor   = []byte("x-forwarded-for")
	xForwardedProto = []byte("x-forwarded-proto")
	xRequestID      = []byte("x-request-id")
	traceparent     = []byte("traceparent")
)

// Forwarding edits the fields of a request into those that the upstream gets:
// without those of this connection (RFC 9110, 7.6.1), with those of a proxy.
// It is made to be reused, and holds the text of the fields that it adds.
type Forwarding struct {
	Client netip.Addr // of the connection
	Scheme string     // of the connection
	Trust  bool       // believe x-forwarded-*: an inner hop, not an edge
	Cert   ClientCert // of the connection

	KeepProto bool // believe x-forwarded-proto, and x-forwarded-host
	MakeID    bool // make a new x-request-id, whatever came

	text   []byte
	fields []http1.Field
	parent int // where the span's id lies in text

	timeout time.Duration // that a trusted caller asks for; negative for none
}

// Fields are h's fields as the upstream gets them. Those for the client's
// connection only are left out, and so is Host where the target has another
// (RFC 9112, 3.2.2); the codec adds it. They last as long as h's own and until
// the next call.
func (f *Forwarding) Fields(h *http1.Head, x *event.Exchange) []http1.Field {
	f.text, f.fields, f.timeout = f.text[:0], f.fields[:0], -1
	host := h.Form != http1.Absolute && len(h.Host) > 0
	proto := false
	for i := range h.Fields {
		from := &h.Fields[i]
		if from.Hop {
			continue
		}
		switch from.ID {
		case http1.HostField:
			if !host {
				continue
			}
		case http1.Traceparent, http1.XForwardedFor:
			continue
		case http1.Tracestate:
			if x.TraceState == "" { // of no valid traceparent
				continue
			}
		case http1.Other:
			if TellsCert(from) || f.controls(from) {
				continue
			}
		case http1.XForwardedProto:
			if !f.Trust && !f.KeepProto {
				continue
			}
			proto = true
		case http1.XRequestID:
			if f.MakeID {
				continue
			}
		}
		f.fields = append(f.fields, *from)
	}
	f.addFor(h)
	if f.Cert != (ClientCert{}) {
		f.addCert(h)
	}
	if !proto {
		f.add(xForwardedProto, http1.XForwardedProto, len(f.text), append(f.text, f.Scheme...))
	}
	if len(h.RequestID) == 0 || f.MakeID {
		f.add(xRequestID, http1.XRequestID, len(f.text), appendUUID(f.text))
	}
	at := len(f.text)
	f.add(traceparent, http1.Traceparent, at, appendTraceparent(f.text, x.TraceID, x.SpanID, traceFlags(h.Traceparent)))
	f.parent = at + len("00-") + 2*len(x.TraceID) + len("-")
	return f.fields
}

// From has the fields say that span asks: the one of an attempt.
func (f *Forwarding) From(span event.SpanID) { hex.Encode(f.text[f.parent:], span[:]) }

// add adds the field whose value is text from at on.
func (f *Forwarding) add(name []byte, id http1.FieldID, at int, text []byte) {
	f.text = text
	f.fields = append(f.fields, http1.Field{Name: name, Value: text[at:len(text):len(text)], ID: id})
}

// addFor adds x-forwarded-for in one field: as it came where the client is
// trusted, with the client's address at its end where not.
func (f *Forwarding) addFor(h *http1.Head) {
	at := len(f.text)
	b := f.text
	for i := range h.Fields {
		if from := &h.Fields[i]; from.ID == http1.XForwardedFor && !from.Hop && len(from.Value) > 0 {
			b = append(separate(b, at), from.Value...)
		}
	}
	if !f.Trust && f.Client.IsValid() {
		b = f.Client.Unmap().AppendTo(separate(b, at))
	}
	if len(b) > at {
		f.add(xForwardedFor, http1.XForwardedFor, at, b)
	}
}

func separate(b []byte, empty int) []byte {
	if len(b) == empty {
		return b
	}
	return append(b, ", "...)
}
