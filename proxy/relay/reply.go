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
	e.local = true
	body := f.AppendBody(nil)
	e.compose(f, len(body))
	http1.FillResponse(&e.x, &e.p, &e.resp)
	e.x.FirstByte = time.Now().UnixNano()
	e.answerLayer()
	none := e.rpc.on || e.req != nil && string(e.req.Method) == "HEAD"
	if !none {
		e.p.ResponseBody = int64(len(body))
	}
	e.answered = e.write(e.sendReply(body, none))
}

func (e *exchange) sendReply(body []byte, none bool) error {
	if err := e.c.Answer(&e.resp, none); err != nil || none {
		return flushed(e.c, err)
	}
	if err := e.c.Write(body); err != nil {
		return err
	}
	return flushed(e.c, e.c.Finish(nil))
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
		return
	}
	h.Reason = []byte(http.StatusText(f.Status))
	h.Framing, h.Length = http1.Length, int64(size)
	h.Fields = append(h.Fields,
		http1.Field{Name: contentType, Value: plainText},
		http1.Field{Name: contentLength, Value: strconv.AppendInt(nil, int64(size), 10), ID: http1.ContentLength})
	if f.Status == http.StatusMethodNotAllowed {
		h.Fields = append(h.Fields, http1.Field{Name: allow, Value: allowed})
	}
}

// unanswered ends an exchange whose client gets nothing.
func (e *exchange) unanswered() {
	hop.Unanswered(&e.x)
	e.ended = true
	e.c.Abort(Cancelled)
}
