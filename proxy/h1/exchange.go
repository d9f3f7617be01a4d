package h1

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// exchange is one request with its answer. It is made to be reused: after the
// first few requests carrying one out allocates nothing.
type exchange struct {
	conn     *conn
	req      http1.Head
	resp     http1.Head
	reqBody  http1.Body
	respBody http1.Body

	x    event.Exchange // as the client sees it
	p    event.HTTP
	a    hop.Attempt // that is under way
	pass hop.Passage // through the listener's rules

	now   int64   // when the request's head was there
	body  []byte  // of the request's body, what came along with the head
	whole bool    // and that is all of it
	fault error   // in the framing of what came along
	keep  bool    // the client's connection may be used again
	abort bool    // it has to be reset, so that the client sees that the answer is cut
	code  [3]byte // a status as text

	requestEnd int64 // when the request's last byte was there; 0 for never

	route   *Route
	upgrade []byte // the protocol that the upstream is asked to change to
	host    *upstream.Host
	out     []byte // a head to be written, and what goes along
	text    []byte // the body of a local reply

	attempt
	upload
}

// attempt is what an exchange knows of its upstream connection.
type attempt struct {
	via      *upstream.Conn
	reused   bool
	written  int64        // bytes of the request
	sendErr  error        // what ended writing the request
	readErr  error        // what ended reading the answer
	broken   *hop.Failure // what is wrong with the answer
	up       window       // the answer's unread bytes
	answered bool         // the final answer's head has come
	failing  bool         // and said that the host fails
	done     bool         // and its body has ended
	plain    bool         // its chunks are undone for a client of HTTP/1.0
	gone     bool         // the client does not take it
	tunnel   *upstream.Conn
}

// upload is a request's body on its way while it is not all here.
type upload struct {
	pumps  sync.WaitGroup
	begun  bool
	read   atomic.Bool  // the body has been read to its end
	ended  atomic.Bool  // the pump has returned; the rest is readable after pumps.Wait
	rest   window       // what was read; from the next request after the end
	taken  int64        // bytes read
	pumped int64        // bytes sent
	why    *hop.Failure // what is wrong with it
}

// begin fills e with the request whose head, n bytes long, has been parsed; or
// could not be, when n is 0.
func (e *exchange) begin(n int) {
	c := e.conn
	o := &c.srv.o
	o.Stats.RequestBegins()
	e.x = event.Exchange{
		Client: c.info.Client, Server: c.info.Server, Unix: c.info.Unix, Stream: c.info.ID,
		Listener: o.Listener, Service: o.Service, Peer: c.peer, Start: c.started,
	}
	e.p, e.a.Retried = event.HTTP{}, ""
	e.pass.Begin(&o.Rules, c.info.Client, "http")
	e.pass.Cert = c.info.Cert
	e.keep, e.abort, e.whole, e.fault, e.body = false, false, false, nil, nil
	e.upgrade, e.requestEnd = nil, 0
	e.route, e.host, e.begun, e.taken, e.pumped, e.why = nil, nil, false, 0, 0, nil
	e.read.Store(false)
	e.fresh()
	if n == 0 {
		e.unreadable()
		return
	}
	http1.FillRequest(&e.x, &e.p, &e.req)
	hop.Identify(&e.x)
	e.keep = !e.req.Close
	e.now = c.started
	if c.partial {
		e.now = time.Now().UnixNano()
	}
	e.reqBody.Reset(e.req.Framing, e.req.Length, http1.Strict, o.Limits)
	c.in.r += n
	m, _, done, err := e.reqBody.Next(c.in.bytes())
	e.body, e.whole, e.fault = c.in.bytes()[:m], done, err
	if done {
		e.requestEnd = e.now
	}
	e.read.Store(done)
	c.in.r += m
	e.x.RequestBytes = int64(n + m)
}

// fresh forgets the attempt before.
func (e *exchange) fresh() {
	e.attempt = attempt{up: window{buf: e.up.buf}}
	e.resp.Reset()
}

// needsSocket reports whether carrying e out means waiting for the client's
// bytes elsewhere than in the connection's own read.
func (e *exchange) needsSocket() bool {
	return !e.whole && e.fault == nil || len(e.req.Upgrade) > 0 || e.req.Form == http1.Authority
}

// run carries e out, up to the last byte of the answer.
func (e *exchange) run() {
	if f := e.admit(); f != nil {
		e.reply(f)
		return
	}
	if e.route.Answers() {
		e.direct()
		return
	}
	host, f := e.pass.Pick(e.conn.ctx)
	if f != nil {
		e.reply(f)
		return
	}
	e.choose(host)
	e.pass.Forward(&e.req, &e.x)
	for f = e.ask(); f.Unsent() && e.another(); {
		f = e.ask()
	}
	if f != nil {
		e.fail(f)
	}
}

// ask asks the chosen host, and once more on a fresh connection when a kept one
// turns out to be stale.
func (e *exchange) ask() *hop.Failure {
	f := e.try(true)
	if f != nil && e.stale() {
		e.x.Attempt, e.a.Retried = e.x.Attempt+1, hop.StaleConnection
		e.fresh()
		f = e.try(false)
	}
	return f
}

// another chooses another host than those which could not be reached. Nothing
// has been sent, so any request may go there.
func (e *exchange) another() bool {
	next, ok := e.pass.PickOther(e.conn.ctx, e.host)
	if !ok {
		return false
	}
	e.choose(next)
	e.x.Attempt, e.a.Retried = e.x.Attempt+1, hop.NoConnection
	e.fresh()
	return true
}

// admit decides about a request by itself: what is wrong with it, and where it
// goes.
func (e *exchange) admit() *hop.Failure {
	if e.fault != nil {
		return hop.DownstreamFault(e.fault)
	}
	f := e.pass.Find(&e.req, &e.x)
	if e.route = e.pass.Route; e.route == nil {
		e.keep = e.keep && e.req.Form != http1.Authority
		return f
	}
	var no *hop.Failure
	if e.upgrade, no = hop.Change(e.route, &e.req); no != nil {
		e.keep = false // what the client sends next may be no HTTP
		return no
	}
	if limit := e.limit(); f == nil && limit > 0 && (e.req.Framing == http1.Length && e.req.Length > limit || e.reqBody.Payload > limit) {
		return hop.BodyTooLarge
	}
	if f != nil {
		return f
	}
	f = e.pass.Admit(e.conn.ctx, &e.req, &e.x, e.now)
	e.pass.Unpaced() // which is for the engine; a connection that outlives the change to it ends with this exchange
	return f
}

// limit is the number of bytes that the request's body may have; 0 and less for
// any.
func (e *exchange) limit() int64 { return cmp.Or(e.route.Body, e.conn.srv.o.Body) }

// choose notes the host that the exchange goes to.
func (e *exchange) choose(h *upstream.Host) {
	e.host = h
	e.x.Endpoint, e.a.Picked = h.Address(), e.pass.Want.Why
	if name := e.pass.Service(); name != "" {
		e.x.Service = name
	} else if name := e.conn.srv.lookup(h.AddrPort()); name != "" {
		e.x.Service = name
	} else {
		e.x.Service = e.x.Cluster
	}
}

// stale reports whether the attempt met a kept connection that its peer was
// closing, so that another may be made: when nothing was sent, or when sending
// it twice does no harm (RFC 9110, 9.2.2) and all of it is still here.
func (e *exchange) stale() bool {
	if !e.reused || e.a.X.ResponseBytes != 0 || e.conn.why() != notCut {
		return false
	}
	return e.written == 0 || e.repeatable()
}

// repeatable reports whether the request may be sent again.
func (e *exchange) repeatable() bool { return e.whole && hop.Idempotent(e.req.Method) }

// fail ends an exchange that the upstream did not answer, or not to the end.
func (e *exchange) fail(f *hop.Failure) {
	if !e.answered {
		e.reply(f)
		return
	}
	e.keep, e.abort = false, true
	hop.Cut(&e.x, f)
}

// refuse answers a head that cannot be read.
func (e *exchange) refuse(err error) {
	e.conn.srv.o.Stats.ProtocolError()
	e.reply(hop.DownstreamFault(err))
}

// unanswered notes that the client got nothing.
func (e *exchange) unanswered() {
	e.keep = false
	hop.Unanswered(&e.x)
}

// write sends b to the client.
func (e *exchange) write(b []byte) bool {
	e.conn.show(event.ToClient, b)
	n, err := e.conn.net.Write(b)
	e.x.ResponseBytes += int64(n)
	if err != nil {
		e.gone, e.keep = true, false
	}
	return err == nil
}

// reset gives back what e borrowed.
func (e *exchange) reset() {
	p := &e.conn.srv.buffers
	e.up.release(p)
	e.rest.release(p)
	if cap(e.out) > largeBuffer {
		e.out = nil
	}
	e.conn, e.body, e.route, e.upgrade, e.host = nil, nil, nil, nil, nil
	e.x.HTTP, e.a.X.HTTP = nil, nil
	e.req.Reset()
	e.resp.Reset()
}
