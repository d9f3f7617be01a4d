package relay

import (
	"sync"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
)

// layer is what follows an exchange of a protocol that rides on HTTP. Both
// directions are shown to it, maybe at the same time.
type layer struct {
	mu     sync.Mutex
	call   decode.Call // nil when none does
	fields fields      // trailers that are being shown
}

// fields are a trailer section as decode.Fields.
type fields struct{ list []http1.Field }

func (f *fields) Field(name string) (string, bool) {
	for i := range f.list {
		if x := &f.list[i]; equalFold(x.Name, name) {
			return decode.View(x.Value), true
		}
	}
	return "", false
}

// equalFold reports whether b is lower, which is lower-case, in any case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// ride finds the layer that follows the exchange.
func (e *exchange) ride() {
	for _, l := range e.g.o.Layers {
		if e.layer.call = l.Open(&e.conn.riding, e.req, nil); e.layer.call != nil {
			return
		}
	}
}

// answerLayer tells the layer the answer's fields, or asks again where none
// could know by the request.
func (e *exchange) answerLayer() {
	e.layer.mu.Lock()
	defer e.layer.mu.Unlock()
	if c := e.layer.call; c != nil {
		c.Answer(&e.resp)
		return
	}
	if e.req == nil { // it could not be read
		return
	}
	for _, l := range e.g.o.Layers {
		if e.layer.call = l.Open(&e.conn.riding, e.req, &e.resp); e.layer.call != nil {
			return
		}
	}
}

func (l *layer) data(d event.Dir, b []byte) {
	l.mu.Lock() // the call may be opened by the answer while the request is still sent
	defer l.mu.Unlock()
	if l.call != nil {
		l.call.Data(d, time.Now().UnixNano(), b)
	}
}

func (l *layer) trailers(d event.Dir, list []http1.Field) {
	if len(list) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.call == nil {
		return
	}
	l.fields.list = list
	l.call.Trailers(d, &l.fields)
	l.fields.list = nil
}

func (l *layer) finish(x *event.Exchange) {
	if l.call != nil {
		l.call.Finish(x)
	}
}

func (l *layer) told() {
	if l.call != nil {
		l.call.Told()
		l.call = nil
	}
}
