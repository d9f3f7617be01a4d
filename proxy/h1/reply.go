package h1

import (
	"net/http"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/hop"
)

// reply answers in the upstream's place.
func (e *exchange) reply(f *hop.Failure) {
	e.x.Flags |= f.Flags
	e.x.StatusMessage = f.Detail
	if f.Status == 0 || e.gone {
		e.unanswered()
		return
	}
	e.text = f.AppendBody(e.text[:0])
	h := e.compose(f.Status, "text/plain")
	h.Fields = append(h.Fields, f.Fields...)
	if f.Status == http.StatusMethodNotAllowed {
		h.Fields = append(h.Fields, http1.Field{Name: allow, Value: allowed})
	}
	e.answerHere()
}

// direct answers as the route says.
func (e *exchange) direct() {
	r := e.pass.Reply(&e.req)
	e.x.StatusMessage = r.Detail
	e.text = append(e.text[:0], r.Body...)
	h := e.compose(r.Status, r.ContentType)
	if len(r.Location) > 0 {
		h.Fields = append(h.Fields, http1.Field{Name: location, Value: r.Location})
	}
	e.answerHere()
}

// Names of the fields of local replies; nobody writes to them.
var (
	contentType   = []byte("content-type")
	contentLength = []byte("content-length")
	allow         = []byte("allow")
	allowed       = []byte(hop.Allowed)
	location      = []byte("location")
)

// compose makes the head of an answer whose body is e.text.
func (e *exchange) compose(status int, kind string) *http1.Head {
	h := &e.resp
	*h = http1.Head{Fields: h.Fields[:0], Minor: 1, Status: status, Reason: []byte(http.StatusText(status)), Framing: http1.NoBody}
	if len(e.text) > 0 && kind != "" {
		h.Fields = append(h.Fields, http1.Field{Name: contentType, Value: []byte(kind)})
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		n := strconv.AppendInt(nil, int64(len(e.text)), 10)
		h.Fields = append(h.Fields, http1.Field{Name: contentLength, Value: n, ID: http1.ContentLength})
	} else {
		e.text = e.text[:0] // RFC 9110, 15.3.5 and 15.4.5: they have none
	}
	return h
}

// answerHere sends what was composed.
func (e *exchange) answerHere() {
	if !e.read.Load() || e.conn.srv.ending() {
		e.keep = false
	}
	e.pass.Answer(&e.resp, &e.req, &e.x)
	http1.FillResponse(&e.x, &e.p, &e.resp)
	e.out = e.appendAnswer(e.out[:0], false)
	if string(e.req.Method) != http.MethodHead {
		e.p.ResponseBody = int64(len(e.text))
		e.out = append(e.out, e.text...)
	}
	e.x.FirstByte = time.Now().UnixNano()
	e.write(e.out)
}
