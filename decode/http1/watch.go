package http1

import (
	"errors"
	"strings"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/coding"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/event"
)

// maxKept is how many requests of a connection may wait for their answers with
// their bodies kept.
const maxKept = 64

// takeBody takes the bytes of b that belong to the body being read, and shows
// its payload to whoever asked for it.
func (t *conn) takeBody(d event.Dir, at int64, b []byte) (n int, err error) {
	h := &t.half[d]
	if h.cur == nil || h.cur.call == nil && t.c.Keep.Body <= 0 {
		n, _, _, err = h.body.Next(b)
		h.pos += int64(n)
		return n, err
	}
	for n < len(b) && !h.body.Done() && err == nil {
		var k int
		var data []byte
		k, data, err = h.body.Data(b[n:])
		n += k
		h.pos += int64(k)
		t.show(d, at, data)
	}
	t.showTrailer(d)
	return n, err
}

// show shows data, which has just been taken.
func (t *conn) show(d event.Dir, at int64, data []byte) {
	h := &t.half[d]
	switch {
	case len(data) == 0:
		return
	case h.cur.call != nil:
		t.showing = h.pos - int64(len(data))
		h.cur.call.Data(d, at, data)
	}
	switch limit := t.c.Keep.Body; {
	case limit <= 0:
	case d == event.ToServer && t.queue.len() > maxKept:
		h.cur.hole(d)
	default:
		h.cur.keepBody(d, data, limit)
	}
}

// showTrailer shows a layer the trailer section when the body has ended in one.
func (t *conn) showTrailer(d event.Dir) {
	h := &t.half[d]
	if raw := h.body.trailer; h.body.Done() && len(raw) > 2 && h.cur.call != nil {
		if t.trailer == nil {
			t.trailer = new(Head)
		}
		t.trailer.clear()
		t.trailer.mode, t.trailer.limits = Lenient, t.c.Limits
		if n, err := t.trailer.fields(raw, 0); n > 0 && err == nil {
			h.cur.call.Trailers(d, t.trailer)
		}
	}
}

// saddle makes the Conn that layers are given: whose messages lie where the
// bytes do that they are shown.
func (t *conn) saddle() {
	t.riding = &t.c
	if tell := t.c.Inspect; tell != nil && len(t.layers) > 0 {
		c := t.c
		c.Inspect = func(m *decode.Message) {
			m.Offset = t.showing
			tell(m)
		}
		t.riding = &c
	}
}

// ride finds the layer that follows e. A nil request was never seen.
func (t *conn) ride(e *entry, request, answer decode.Fields) {
	for _, l := range t.layers {
		if e.call = l.Open(t.riding, request, answer); e.call != nil {
			return
		}
	}
}

// rideAnswer tells the layer of e the answer's fields, or asks again where no
// layer could know by the request.
func (t *conn) rideAnswer(e *entry) {
	h := &t.half[event.ToClient].head
	switch {
	case e.call != nil:
		e.call.Answer(h)
	case e.x.Decode&event.NoRequest != 0:
		t.ride(e, nil, h)
	case e.x.Decode&(event.RequestGap|event.BodyCut) != 0: // perhaps in its head
		t.ride(e, e, h)
	}
}

// Field is the value of the first field of that name, which must be lower-case,
// for decode.Fields.
func (h *Head) Field(name string) (string, bool) {
	switch {
	case name == ":method" && h.request:
		return decode.View(h.Method), true
	case name == ":path" && h.request:
		return decode.View(h.Target), true
	case name == ":status" && !h.request && h.Status >= 100:
		return statusText(h.Status), true
	}
	v := h.Get(name)
	return decode.View(v), v != nil
}

// statusText is a status of three digits as text.
func statusText(status int) string {
	b := [3]byte{byte('0' + status/100%10), byte('0' + status/10%10), byte('0' + status%10)}
	return string(b[:])
}

// Field is what is left of a request's fields when its answer comes.
func (e *entry) Field(name string) (string, bool) {
	switch name {
	case ":method":
		return e.p.Method, true
	case ":path":
		return e.p.Path, true
	}
	return "", false
}

// watch keeps what was asked for of a head, and gets ready to keep the body.
func (t *conn) watch(d event.Dir, e *entry, h *Head) {
	keep := t.c.Keep
	if !keep.Headers && keep.Body <= 0 {
		return
	}
	if e.p.Detail == nil {
		e.p.Detail = new(event.HTTPDetail)
	}
	if keep.Headers {
		fields := &e.p.Detail.RequestHeaders
		if d == event.ToClient {
			fields = &e.p.Detail.ResponseHeaders
		}
		*fields = AppendFields(nil, h)
	}
	e.coding[d] = h.codings()
}

// AppendFields adds copies of a head's fields to list, values of secrets
// withheld.
func AppendFields(list []event.KeyValue, h *Head) []event.KeyValue {
	for i := range h.Fields {
		f := &h.Fields[i]
		v := string(semantics.AppendValue(nil, f.Name, f.Value))
		list = append(list, event.KeyValue{Key: string(f.Name), Value: v})
	}
	return list
}

// codings are those that a body is under, in the order in which they were
// applied: the content's, then the transfer's but for chunked.
func (h *Head) codings() string {
	var list []string
	for _, id := range [...]FieldID{Other, TransferEncoding} {
		for i := range h.Fields {
			f := &h.Fields[i]
			if f.ID == id && (id != Other || is(f.Name, "content-encoding")) {
				list = append(list, string(f.Value))
			}
		}
	}
	all := strings.Split(strings.Join(list, ","), ",")
	kept := all[:0]
	for _, c := range all {
		if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, "chunked") {
			kept = append(kept, c)
		}
	}
	return strings.Join(kept, ",")
}

// keepBody keeps data as far as it can matter to limit bytes of decoded body.
func (e *entry) keepBody(d event.Dir, data []byte, limit int) {
	if most := coding.Enough(limit); len(e.bodies[d]) < most && !e.cut(d) {
		n := min(len(data), most-len(e.bodies[d]))
		e.bodies[d] = append(e.bodies[d], data[:n]...)
		if n < len(data) {
			e.hole(d)
		}
	} else {
		e.hole(d)
	}
}

// hole says that what was kept of a body does not go on.
func (e *entry) hole(d event.Dir) {
	switch {
	case e.p.Detail == nil:
	case d == event.ToServer:
		e.p.Detail.RequestCut = true
	default:
		e.p.Detail.ResponseCut = true
	}
}

func (e *entry) cut(d event.Dir) bool {
	if d == event.ToServer {
		return e.p.Detail.RequestCut
	}
	return e.p.Detail.ResponseCut
}

// keepBodies undoes the content codings of what was kept.
func (e *entry) keepBodies(limit int) {
	for d := range e.bodies {
		if len(e.bodies[d]) == 0 {
			continue
		}
		out, err := coding.Decode(e.bodies[d], e.coding[d], limit)
		if errors.Is(err, coding.ErrUnknown) {
			e.x.Decode |= event.Undecoded
		}
		if err != nil {
			e.hole(event.Dir(d))
		}
		if event.Dir(d) == event.ToServer {
			e.p.Detail.RequestBody = decode.View(out)
		} else {
			e.p.Detail.ResponseBody = decode.View(out)
		}
	}
}
