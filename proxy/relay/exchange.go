package relay

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// exchange is one request with its answer. It is made to be reused: after the
// first few requests carrying one out allocates nothing.
type exchange struct {
	g    *Engine
	c    Client
	conn *Info
	ctx  context.Context
	req  *Head // the client's
	out  Head  // as the upstream gets it
	resp Head  // the answer's, in between cut down to what the client gets

	x     event.Exchange // as the client sees it
	p     event.HTTP
	h2    event.H2
	a     hop.Attempt
	ah    event.H2
	rules hop.Passage // through those of the listener

	now      int64  // when the request's head was there
	first    []byte // of the request's body, what came along with the head
	whole    bool   // and that is all of it
	fault    error  // what is wrong with it
	asked    int64  // bytes of the request's body that were taken
	answered bool   // the client has had the final answer's head
	ended    bool   // and all of the answer, or is known to take no more
	gone     bool   // the client does not take it
	local    bool   // the answer is the proxy's own
	tried    bool   // an attempt's span is to be told
	told     bool   // the exchange's span was
	stale    bool   // the last attempt met a connection that its peer was closing
	opened   bool   // the request is an upgrade or CONNECT that was agreed to

	route   *hop.Route
	upgrade []byte // the protocol that the upstream is asked to change to
	host    *upstream.Host
	anew    *persistence // where the route has a policy of retries
	retries *persistence // that anew is then; nil until it is needed
	rpc     rpc
	layer   layer

	pace    pace
	shadows shadows

	attempt
	upload
	watching
	share
}

// attempt is what an exchange knows of one try at an upstream host.
type attempt struct {
	via      Upstream
	closed   bool
	cutShort bool         // something ended it before the request was sent
	sendErr  error        // what ended sending the request
	readErr  error        // what ended reading the answer
	broken   *hop.Failure // what is wrong with the answer
	headed   bool         // the final answer's head has come
	done     bool         // and its body has ended
	got      int64        // bytes of its payload
	counts   int          // what its status of gRPC is in HTTP; 0 where none came
	failing  bool         // it said that the host fails
}

func (g *Engine) newExchange() *exchange {
	e := &exchange{g: g}
	e.watched.Look = e.look
	e.onGone, e.wait = e.clientGone, e.waiting
	e.pump = e.pumpBody
	e.goOn, e.news, e.alone = e.resumed, e.hasNews, e.keepGoroutine
	return e
}

// start takes c on.
func (e *exchange) start(ctx context.Context, c Client) {
	e.g.o.Stats.RequestBegins()
	e.c, e.ctx, e.conn, e.req = c, ctx, c.Conn(), c.Request()
	w := c.Wire()
	e.x = event.Exchange{
		Client: e.conn.Client, Server: e.conn.Server, Unix: e.conn.Unix, Stream: e.conn.ID,
		Listener: e.g.o.Listener, Service: e.g.o.Service, Peer: e.conn.peer, Start: w.Began,
	}
	e.p, e.a.Retried = event.HTTP{}, ""
	e.h2 = event.H2{StreamID: w.Stream}
	e.still.Store(int64(e.g.o.StreamIdle))
	scheme := "http"
	if e.conn.Secure {
		scheme = "https"
	}
	e.rules.Begin(&e.g.o.Rules, e.conn.Client, scheme)
	e.rules.Cert, e.rules.TLS = e.conn.Cert, e.conn.TLS
	e.now = time.Now().UnixNano()
}

// begin takes on the exchange of a request whose head has been read.
func (e *exchange) begin(ctx context.Context, c Client) {
	e.start(ctx, c)
	http1.FillRequest(&e.x, &e.p, e.req)
	e.version(&e.x, &e.p, &e.h2)
	if e.conn.Secure && len(e.req.Scheme) == 0 {
		e.p.Scheme = "https"
	}
	hop.Identify(&e.x)
	e.ride()
	e.rpc.read(e.req)
	e.watchOver()
	n, end := c.Ready()
	if n > 0 && !e.mayTunnel() {
		e.first, e.fault = e.next()
		n, end = c.Ready()
	}
	if e.fault == nil && n == 0 && !end {
		e.fault = faultOf(c)
	}
	e.whole = e.fault == nil && n == 0 && end
	e.read.Store(e.whole)
	if e.whole {
		e.requestEnded(e.now)
	}
}

// version notes in x what a stream of HTTP/2 has of its own.
func (e *exchange) version(x *event.Exchange, p *event.HTTP, h *event.H2) {
	if h.StreamID != 0 {
		x.HTTP2, x.Protocol, p.Version = h, event.HTTP2, "2"
	}
}

// unreadable fills in what is known of a request whose head cannot be read.
func (e *exchange) unreadable() {
	e.x.HTTP, e.x.Kind, e.x.Name, e.x.Protocol = &e.p, event.Server, "HTTP", event.HTTP11
	e.p.Scheme, e.p.Version = "http", "1.1"
	if e.conn.Secure {
		e.p.Scheme = "https"
	}
	e.version(&e.x, &e.p, &e.h2)
	e.req = nil
	hop.Identify(&e.x)
	e.watchOver()
}

// mayTunnel reports whether what follows the head may be no body but what the
// protocol asked for has to say. After a body HTTP/2 knows no change.
func (e *exchange) mayTunnel() bool {
	h := e.req
	return h.Form == http1.Authority || len(h.Upgrade) > 0 && (h.Framing == http1.NoBody || string(h.Method) == "CONNECT")
}

// tunnels reports whether it is, should the upstream agree.
func (e *exchange) tunnels() bool { return e.req.Form == http1.Authority || len(e.upgrade) > 0 }

// run carries e out, up to the last byte of the answer. It reports false when e
// waits for its upstream, and is somebody else's.
func (e *exchange) run() (over bool) {
	if f := e.admit(); f != nil {
		e.reply(f)
		return true
	}
	if e.route.Calls != nil {
		e.keepGoroutine()
		e.serveCall()
		return true
	}
	if e.route.Answers() {
		e.direct()
		return true
	}
	host, f := e.rules.Pick(e.ctx)
	if f != nil {
		e.reply(f)
		return true
	}
	return e.proxy(host)
}

// proxy has an upstream answer, host for a start.
func (e *exchange) proxy(host *upstream.Host) (over bool) {
	e.forward()
	e.mirror()
	if e.persists() {
		e.keepGoroutine()
		e.persist(host)
		return true
	}
	e.choose(host)
	if e.tunnels() {
		e.keepGoroutine()
	}
	if f, sent := e.open(e.how()); !sent {
		e.conclude(f)
		return true
	}
	if !e.receive() {
		return false
	}
	e.conclude(e.endTry())
	return true
}

func (e *exchange) how() How {
	return How{Again: e.repeatable(), Now: e.now, Tunnel: e.tunnels(), Alone: e.alone}
}

// conclude makes other tries where the first came to nothing because of f, and
// ends with what the last one did.
func (e *exchange) conclude(f *hop.Failure) {
	for f = e.anewIfStale(f); f.Unsent() && e.another(); {
		e.keepGoroutine()
		f = e.anewIfStale(e.try(e.how()))
	}
	if f != nil {
		e.fail(f)
	}
}

// anewIfStale asks the chosen host once more on a fresh connection, when a kept
// one has turned out to be stale.
func (e *exchange) anewIfStale(f *hop.Failure) *hop.Failure {
	if f == nil || !e.stale {
		return f
	}
	e.keepGoroutine()
	e.x.Attempt, e.a.Retried = e.x.Attempt+1, hop.StaleConnection
	return e.try(How{Fresh: true, Now: e.now, Tunnel: e.tunnels()})
}

// another chooses another host than those which could not be reached. Nothing
// has been sent, so any request may go there.
func (e *exchange) another() bool {
	next, ok := e.rules.PickOther(e.ctx, e.host)
	if !ok {
		return false
	}
	e.choose(next)
	e.x.Attempt, e.a.Retried = e.x.Attempt+1, hop.NoConnection
	return true
}

// admit decides about a request by itself: what is wrong with it, and where it
// goes.
func (e *exchange) admit() *hop.Failure {
	if e.fault != nil {
		return e.requestFault(e.fault)
	}
	f := e.rules.Find(e.req, &e.x)
	if e.route = e.rules.Route; e.route == nil {
		return f
	}
	if no := e.change(); no != nil {
		return no
	}
	if limit := e.bodyLimit(); f == nil && limit > 0 && (e.req.Framing == http1.Length && e.req.Length > limit || e.asked > limit) {
		return hop.BodyTooLarge
	}
	if f != nil {
		return f
	}
	return e.permit()
}

// permit asks the route's guards. One that waits is told when the exchange is
// over.
func (e *exchange) permit() *hop.Failure {
	if !e.rules.Waits() {
		return e.rules.Admit(e.ctx, e.req, &e.x, e.now)
	}
	ctx, done := e.waiting()
	f := e.rules.Admit(ctx, e.req, &e.x, e.now)
	done()
	e.now = time.Now().UnixNano() // the upstream's time begins here
	e.beginPace()
	if why := e.cutBy(); why != notCut {
		return e.cutCause(why)
	}
	return f
}

// bodyLimit is the number of bytes that the request's body may have; 0 and less
// for any.
func (e *exchange) bodyLimit() int64 { return cmp.Or(e.route.Body, e.g.o.Body) }

// change finds out what the exchange is to become, if anything.
func (e *exchange) change() (f *hop.Failure) {
	e.upgrade, f = hop.Change(e.route, e.req)
	switch {
	case f != nil:
		return f
	case !e.mayTunnel():
		e.upgrade = nil
	case string(e.req.Method) == "CONNECT" && !e.tunnels():
		return hop.UpgradeRefused
	}
	return nil
}

// choose notes the host that the exchange goes to.
func (e *exchange) choose(h *upstream.Host) {
	e.host = h
	e.x.Endpoint, e.a.Picked = h.Address(), e.rules.Want.Why
	if name := e.rules.Service(); name != "" {
		e.x.Service = name
	} else if name := e.g.lookup(h.AddrPort()); name != "" {
		e.x.Service = name
	} else {
		e.x.Service = e.x.Cluster
	}
}

// repeatable reports whether the request may be sent again: doing so does no
// harm, and all of it is here.
func (e *exchange) repeatable() bool {
	return e.whole && !e.tunnels() && hop.Idempotent(e.req.Method)
}

// next takes the next piece of the request's body.
func (e *exchange) next() ([]byte, error) {
	b, err := e.c.Next()
	e.asked += int64(len(b))
	if len(b) > 0 {
		e.layer.data(event.ToServer, b)
		e.shadowed(b)
	}
	if err == io.EOF {
		return nil, nil
	}
	return b, err
}

// requestFault is why reading the request failed.
func (e *exchange) requestFault(err error) *hop.Failure {
	switch why := e.cutBy(); {
	case malformed(err):
		return hop.DownstreamFault(err)
	case why != notCut:
		return e.cutCause(why)
	}
	return hop.ClientGone
}

// dispose tells the exchange, and gives e back.
func (e *exchange) dispose() {
	e.finish()
	e.reset()
	e.g.exchanges.Put(e)
}

// reset gives back what e borrowed.
func (e *exchange) reset() {
	if e.host != nil {
		e.rules.Done(e.host)
	}
	e.endPace()
	e.endShadows()
	if e.anew != nil {
		e.anew.reset()
	}
	e.rpc = rpc{text: e.rpc.text[:0]}
	e.c, e.ctx, e.conn, e.req, e.first, e.fault = nil, nil, nil, nil, nil, nil
	e.route, e.upgrade, e.host, e.anew = nil, nil, nil, nil
	e.asked = 0
	e.answered, e.ended, e.gone, e.local, e.tried, e.told, e.stale, e.opened = false, false, false, false, false, false, false, false
	e.out = Head{}
	e.attempt = attempt{}
	e.upload.reset()
	e.watching.reset()
	e.sharing, e.inBody = nil, false
	e.x.HTTP, e.x.HTTP2, e.x.GRPC, e.a.X.HTTP, e.a.X.HTTP2, e.a.X.GRPC = nil, nil, nil, nil, nil, nil
}
