package hop

import (
	"context"
	"crypto/tls"
	"net/netip"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/format"
	"github.com/pitot-io/pitot/proxy/overload"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Rules are what a listener does to every request and its answer.
type Rules struct {
	Route    Router
	Response route.Edits // of answers to requests that no route takes
	Normal   route.Normal

	Trust         bool   // believe x-forwarded-*: an inner hop, not an edge
	Hops          int    // proxies before this one that are believed
	Via           string // pseudonym in Via; empty for none
	MaxVia        int    // how often that may stand there already
	ForwardedHost bool   // tell the upstream which host was asked for
	MakeID        bool   // do not keep a client's x-request-id

	Overload *overload.Manager // may refuse all requests; may be nil

	Log Logger // is told every exchange that is over; may be nil
}

// Logger writes exchanges down. It is not to keep an entry, nor to wait.
type Logger interface {
	Log(*format.Entry)
	// Wanted are the names, in lower case, of the fields that it needs of
	// answers' heads and trailers.
	Wanted() (answer, trailers [][]byte)
}

// Passage takes one request through a listener's rules, and its answer back. It
// is made to be reused: what it gives is good until Begin.
type Passage struct {
	Forwarding
	Route   *Route            // nil while none is found
	Cluster *upstream.Cluster // of those that the route goes to, this request's
	Want    upstream.Want     // what is asked of its balancer
	Fields  []http1.Field     // as the upstream gets them, after Forward

	TLS *tls.ConnectionState // of the client's connection; nil without

	rules   *Rules
	share   *route.Share // of the route's requests that this is one of; nil where they are not divided
	peer    netip.AddrPort
	asked   route.Question
	scratch route.Scratch
	entry   format.Entry

	answer, trailers format.Kept // of the answer, what the log wants
}

// Begin takes on a request that came from peer by scheme.
func (p *Passage) Begin(r *Rules, peer netip.AddrPort, scheme string) {
	p.rules, p.peer, p.Route, p.Fields = r, peer, nil, nil
	p.Client, p.Scheme, p.Cert, p.TLS = peer.Addr(), scheme, ClientCert{}, nil
	p.Trust, p.KeepProto, p.MakeID = r.Trust, r.Trust || r.Hops > 0, r.MakeID
	p.Cluster, p.share = nil, nil
	p.Want.Reset()
	p.asked = route.Question{Answer: p.asked.Answer[:0], Request: p.asked.Request[:0]}
	p.scratch.Reset()
	p.answer.Reset()
	p.trailers.Reset()
}

// Find brings h's path into its form, and finds the route. It notes in x where
// the request goes.
func (p *Passage) Find(h *http1.Head, x *event.Exchange) *Failure {
	r := p.rules
	switch {
	case r.Overload.Active(overload.StopRequests):
		return Overloaded
	case !r.Normal.Path(h, &p.scratch):
		return PathRefused
	case r.Via != "" && passed(h, r.Via) > r.MaxVia:
		return LoopDetected
	}
	if p.Route = r.Route(h); p.Route == nil {
		return NoRoute
	}
	p.Cluster = p.Route.Cluster
	if p.share = p.Route.Share(h); p.share != nil {
		p.Cluster = p.share.Cluster
	}
	p.Route.Tell(x)
	if p.Cluster != nil {
		x.Cluster = p.Cluster.Name()
	} else if !p.Route.Answers() {
		return NoCluster
	}
	return nil
}

// Service is the name of what answers, by the configuration; it may be empty.
func (p *Passage) Service() string {
	if p.share != nil {
		return p.share.Service
	}
	return p.Route.Service
}

// edits are those of the route for requests and answers, or of what this
// request is a share of.
func (p *Passage) edits() (request, response *route.Edits) {
	if p.share != nil {
		return &p.share.Request, &p.share.Response
	}
	return &p.Route.Request, &p.Route.Response
}

// Waits reports whether Admit may wait.
func (p *Passage) Waits() bool { return p.Route.Waits() }

// Pacer is what holds the exchange's bodies back, as a guard wants; nil for
// nothing. It is good after Admit.
func (p *Passage) Pacer() route.Pacer { return p.asked.Pacer }

// Unpaced is for who cannot hold bodies back.
func (p *Passage) Unpaced() {
	if p.asked.Pacer != nil {
		p.asked.Pacer.Done()
		p.asked.Pacer = nil
	}
}

// Admit asks those whom the route wants to be asked before its requests go on.
func (p *Passage) Admit(ctx context.Context, h *http1.Head, x *event.Exchange, now int64) *Failure {
	p.Want.Now, p.Want.High = now, p.Route.High
	if !p.Route.Guarded() {
		p.aim(h)
		return nil
	}
	p.asked = route.Question{
		Head: h, Exchange: x, Client: p.remote(h).Addr(), Secure: p.Scheme == "https",
		Route: p.Route, Cluster: p.Cluster, Now: now, Answer: p.asked.Answer[:0], Request: p.asked.Request[:0],
	}
	f := p.Route.Admit(ctx, &p.asked)
	if f == nil {
		p.aim(h)
	}
	return f
}

// aim notes which host is wanted for the request.
func (p *Passage) aim(h *http1.Head) {
	if !p.Route.Aims() {
		return
	}
	p.asked.Answer = p.Route.Aim(h, route.Asker{Client: p.remote(h).Addr(), Peer: p.peer}, p.Cluster, &p.Want, &p.scratch, p.asked.Answer)
}

// End tells those who were asked that the exchange is over.
func (p *Passage) End(x *event.Exchange) { p.asked.End(x.End) }

// Pick chooses the host of the next attempt.
func (p *Passage) Pick(ctx context.Context) (*upstream.Host, *Failure) {
	h, err := p.Cluster.Pick(ctx, &p.Want)
	if err != nil {
		return nil, PickFault(err)
	}
	return h, nil
}

// PickOther chooses another host than h, which could not be reached, and those
// before it. It ends the exchange's being active at h, when there is another.
func (p *Passage) PickOther(ctx context.Context, h *upstream.Host) (*upstream.Host, bool) {
	other, err := p.Cluster.PickOther(ctx, &p.Want, h)
	return other, err == nil
}

// Done ends the exchange's being active at h.
func (p *Passage) Done(h *upstream.Host) { p.Want.Done(h) }

// Reply is the answer of a route that answers by itself.
func (p *Passage) Reply(h *http1.Head) route.Reply {
	return p.Route.Reply(h, p.Scheme, &p.scratch)
}

// Forward rewrites h as the route wants, and makes Fields of its fields.
func (p *Passage) Forward(h *http1.Head, x *event.Exchange) {
	p.Route.Rewrite(h, &p.scratch)
	fields := append(p.Forwarding.Fields(h, x), p.asked.Request...)
	if p.rules.ForwardedHost {
		fields = p.tellHost(h, fields)
	}
	if p.rules.Via != "" {
		fields = p.addVia(fields, x.HTTP.Version)
	}
	p.Fields = fields
	if edits, _ := p.edits(); !edits.None() {
		p.Fields = edits.Apply(fields, p.Entry(h, x), &p.scratch)
	}
	p.Forwarding.fields = p.Fields // keeps the memory
}

// At gives h and Fields what depends on the upstream host: x.Endpoint, and the
// span that asks there.
func (p *Passage) At(h *http1.Head, x *event.Exchange, span event.SpanID) {
	p.From(span)
	p.Route.HostAt(h, p.Fields, x.Endpoint, &p.scratch)
	if p.scratch.Late() {
		p.scratch.At(p.Fields, p.Entry(h, x))
	}
}

// Answer edits the fields of an answer, the proxy's own among them.
func (p *Passage) Answer(answer, request *http1.Head, x *event.Exchange) {
	if p.rules == nil {
		return
	}
	answer.Fields = append(answer.Fields, p.asked.Answer...)
	if p.Route != nil && x.Flags == 0 {
		answer.Fields = p.Route.Keep(x.Endpoint, &p.Want, &p.scratch, answer.Fields)
	}
	if p.rules.Via != "" {
		answer.Fields = p.addVia(answer.Fields, "1.1")
	}
	edits := &p.rules.Response
	if p.Route != nil {
		_, edits = p.edits()
	}
	if !edits.None() {
		answer.Fields = edits.Apply(answer.Fields, p.Entry(request, x), &p.scratch)
	}
	if p.rules.Log != nil {
		wanted, _ := p.rules.Log.Wanted()
		p.answer.Keep(answer.Fields, wanted)
	}
}

// Trailers notes what came after an answer.
func (p *Passage) Trailers(fields []http1.Field) {
	if p.rules.Log != nil {
		_, wanted := p.rules.Log.Wanted()
		p.trailers.Keep(fields, wanted)
	}
}

// Over is what else a log tells of an exchange.
type Over struct {
	Attempt    *event.Exchange // the last one; nil when there was none
	RequestEnd int64           // when the request's last byte was there, ns since the Unix epoch; 0 for never
}

// Log writes the exchange down, where the listener has a log. h is as for Entry.
func (p *Passage) Log(h *http1.Head, x *event.Exchange, o Over) {
	if p.rules.Log == nil {
		return
	}
	e := p.Entry(h, x)
	e.Answer, e.Trailers, e.RequestEnd = p.answer.Fields, p.trailers.Fields, o.RequestEnd
	if a := o.Attempt; a != nil {
		e.UpstreamLocal, e.UpstreamRemote, e.UpstreamProtocol = a.Client, a.Server, a.Protocol
		e.UpstreamSent, e.UpstreamReceived, e.AttemptStart = a.RequestBytes, a.ResponseBytes, a.Start
	}
	p.rules.Log.Log(e)
	*e = format.Entry{}
}

// Entry is what formats are made of, as far as it is known. h is nil for a
// request that could not be read. The entry is p's own, and good until the next
// call.
func (p *Passage) Entry(h *http1.Head, x *event.Exchange) *format.Entry {
	p.entry = format.Entry{X: x, Request: h, Fields: p.Fields, Remote: p.peer, TLS: p.TLS}
	if h != nil {
		p.entry.Remote = p.remote(h)
	}
	return &p.entry
}
