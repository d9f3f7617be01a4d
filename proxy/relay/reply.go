package relay

import (
	"net/http"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/hop"
)

// Names and values of the fields of local replies; nobody writes to them.
var (
	contentType   = []byte("content-type")
	contentLength = []byte("content-length")
	allow         = []byte("allow")
	location      = []byte("location")
	plainText     = []byte("text/plain")
	allowed       = []byte(hop.Allowed)
)

// reply answers in the upstream's place.
func (e *exchange) reply(f *hop.Failure) {
	e.x.Flags |= f.Flags
	e.x.StatusMessage = f.Detail
	if f.Status == 0 || e.gone {
		e.unanswered()
		return
	}
	body := f.AppendBody(nil)
	e.compose(f, len(body))
	e.answerHere(body, e.rpc.on)
}

// direct answers as the route says.
func (e *exchange) direct() {
	r, h := e.rules.Reply(e.req), &e.resp
	e.x.StatusMessage = r.Detail
	*h = Head{Fields: h.Fields[:0], Minor: 1, Status: r.Status, Reason: []byte(http.StatusText(r.Status)), ContentLength: -1}
	if r.ContentType != "" {
		h.Fields = append(h.Fields, http1.Field{Name: contentType, Value: []byte(r.ContentType)})
	}
	body := []byte(r.Body)
	if r.Status == http.StatusNoContent || r.Status == http.StatusNotModified {
		body = nil // RFC 9110, 15.3.5 and 15.4.5
	} else {
		h.Framing, h.Length = http1.Length, int64(len(body))
		h.Fields = append(h.Fields, http1.Field{Name: contentLength, Value: strconv.AppendInt(nil, h.Length, 10), ID: http1.ContentLength})
	}
	if len(r.Location) > 0 {
		h.Fields = append(h.Fields, http1.Field{Name: location, Value: r.Location})
	}
	e.answerHere(body, len(body) == 0)
}

// answerHere sends the answer that was composed in e.resp, with its body unless
// there is none.
func (e *exchange) answerHere(body []byte, none bool) {
	e.local = true
	e.rules.Answer(&e.resp, e.req, &e.x)
	http1.FillResponse(&e.x, &e.p, &e.resp)
	e.x.FirstByte = time.Now().UnixNano()
	e.answerLayer()
	none = none || e.req != nil && string(e.req.Method) == http.MethodHead
	if !none {
		e.p.ResponseBody = int64(len(body))
	}
	e.answered = e.write(e.sendReply(body, none))
}

func (e *exchange) sendReply(body []byte, none bool) error {
	if err := e.c.Answer(&e.resp, none); err != nil || none {
		return e.flushed(e.c, err)
	}
	if err := e.c.Write(body); err != nil {
		return err
	}
	return e.flushed(e.c, e.c.Finish(nil))
}

// compose makes the head of a local reply: a call of gRPC gets its status in
// place of HTTP's, in fields that stand for the trailers.
func (e *exchange) compose(f *hop.Failure, size int) {
	h := &e.resp
	*h = Head{Fields: h.Fields[:0], Minor: 1, Status: f.Status, ContentLength: -1}
	if e.rpc.on {
		h.Status, h.Reason = http.StatusOK, []byte("OK")
		h.Fields = append(h.Fields, http1.Field{Name: contentType, Value: e.req.Get("content-type")})
		h.Fields = append(h.Fields, e.rpc.trailers(f)...)
		h.Fields = append(h.Fields, f.Fields...)
		return
	}
	h.Reason = []byte(http.StatusText(f.Status))
	h.Framing, h.Length = http1.Length, int64(size)
	h.Fields = append(h.Fields,
		http1.Field{Name: contentType, Value: plainText},
		http1.Field{Name: contentLength, Value: strconv.AppendInt(nil, int64(size), 10), ID: http1.ContentLength})
	h.Fields = append(h.Fields, f.Fields...)
	if f.Status == http.StatusMethodNotAllowed {
		h.Fields = append(h.Fields, http1.Field{Name: allow, Value: allowed})
	}
}

// unanswered ends an exchange whose client gets nothing.
func (e *exchange) unanswered() {
	hop.Unanswered(&e.x)
	e.ended = true
	e.abort(Cancelled)
}
