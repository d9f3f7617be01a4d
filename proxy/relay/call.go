package relay

import (
	"cmp"
	"context"
	"encoding/binary"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/route"
)

// Calls of gRPC that the proxy answers in its own name (route.Caller).

// mostRequest bounds the request of such a call, in bytes.
const mostRequest = 64 << 10

// callPrefix is what a message of gRPC begins with: a flag and its length.
const callPrefix = 5

// calling stands for an upstream while the proxy answers by itself, so that what
// cuts the exchange ends that.
type calling struct {
	Upstream // there is none
	end      context.CancelFunc
}

func (c calling) Cancel(Reason) { c.end() }

// serveCall answers a call.
func (e *exchange) serveCall() {
	e.x.StatusMessage = route.Detail
	e.still.Store(int64(cmp.Or(e.route.Idle, e.g.o.StreamIdle)))
	if e.rpc.timeout > 0 {
		e.limit.Store(e.rpc.lower(e.route.MaxGRPCTimeout, e.now))
	}
	body, f := e.callBody()
	if f != nil {
		e.fail(f)
		return
	}
	ctx, end := context.WithCancel(e.ctx)
	defer end()
	status, text := 0, ""
	e.answering.Store(true)
	if e.attach(calling{end: end}) {
		status, text = e.callOf(ctx, body)
	}
	e.answering.Store(false)
	switch why := e.detach(); {
	case why != notCut:
		e.fail(e.cutCause(why))
	case e.gone:
		e.fail(hop.ClientGone)
	default:
		e.endCall(status, text)
	}
}

// callBody reads the request to its end.
func (e *exchange) callBody() (body []byte, f *hop.Failure) {
	for b := e.first; ; {
		if len(body)+len(b) > callPrefix+mostRequest {
			return nil, hop.BodyTooLarge
		}
		if body = append(body, b...); e.whole {
			e.uploaded()
			return body, nil
		}
		var err error
		if b, err = e.next(); err != nil {
			return nil, e.requestFault(err)
		}
		e.whole = b == nil
	}
}

// callOf has the route answer a call whose request is body.
func (e *exchange) callOf(ctx context.Context, body []byte) (status int, text string) {
	switch {
	case len(body) < callPrefix || int64(binary.BigEndian.Uint32(body[1:])) != int64(len(body)-callPrefix):
		return codeInternal, "the request is not one message"
	case body[0] != 0:
		return codeUnimplemented, "compressed messages are not read here"
	}
	return e.route.Calls.Call(ctx, string(e.req.Path[1:]), body[callPrefix:], e.sendMessage)
}

// sendMessage sends a message of the answer, and its head before the first.
func (e *exchange) sendMessage(message []byte) error {
	if !e.headed {
		e.callHead()
		if err := e.c.Answer(&e.resp, false); !e.write(err) {
			return err
		}
		e.answered = true
	}
	b := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	e.layer.data(event.ToClient, b)
	e.got += int64(len(b))
	err := e.c.Write(b)
	if err == nil {
		err = e.c.Flush()
	}
	e.write(err)
	return err
}

// callHead makes the answer's head.
func (e *exchange) callHead() {
	h := &e.resp
	*h = Head{Fields: h.Fields[:0], Minor: 1, Status: 200, Reason: []byte("OK"), Framing: http1.Chunked, ContentLength: -1}
	h.Fields = append(h.Fields, http1.Field{Name: contentType, Value: []byte("application/grpc")})
	e.headed = true
	e.streaming.Store(true)
	e.x.FirstByte = time.Now().UnixNano()
	e.rules.Answer(h, e.req, &e.x)
	e.filled()
}

// endCall ends the answer with a status; one without messages is a head alone.
func (e *exchange) endCall(status int, text string) {
	fields := e.rpc.ends(status, text)
	if e.headed {
		e.endAnswer(fields)
		return
	}
	h := &e.resp
	*h = Head{Fields: h.Fields[:0], Minor: 1, Status: 200, Reason: []byte("OK"), ContentLength: -1}
	h.Fields = append(append(h.Fields, http1.Field{Name: contentType, Value: []byte("application/grpc")}), fields...)
	e.answerHere(nil, true)
}
