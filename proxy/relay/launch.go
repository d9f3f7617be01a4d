package relay

import (
	"slices"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/retry"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// The tries of a persistence: how one begins, is the one that counts, or is given up.

// launch begins a try at host.
func (p *persistence) launch(host *upstream.Host, reason string, how How) {
	e := p.e
	t := p.another()
	t.number, t.host, t.how, t.begun = len(p.tries), host, how, time.Now().UnixNano()
	t.how.High, t.how.Wait = e.rules.Want.High, t.wait
	t.how.Timed = e.deadline.Load() != 0 || e.limit.Load() != 0
	t.moved.Store(t.begun)
	e.choose(host)
	e.host = nil // it is the try's
	e.x.Attempt = uint8(min(t.number, 255))
	t.a.Picked, t.a.Retried = e.rules.Want.Why, reason
	t.a.Begin(&e.x, host, nil, e.now)
	p.address(t)
	p.tries = append(p.tries, t)
	p.active++
	t.running.Add(1)
	go t.runs()
}

// another is a try that is not begun.
func (p *persistence) another() *oneTry {
	if n := len(p.spare); n > 0 {
		t := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return t
	}
	return newTry(p)
}

// address makes the head that a try's host gets: a copy, since others may be
// under way.
func (p *persistence) address(t *oneTry) {
	e := p.e
	span := e.x.SpanID
	if e.g.o.AttemptSpans {
		span = t.a.X.SpanID
	}
	e.rules.At(&e.out, &e.x, span)
	e.rpc.propagate(&e.out, e.limit.Load())
	fields := t.out.Fields[:0]
	t.out = e.out
	t.out.Fields = slices.Grow(fields, len(e.out.Fields)+2)
	for i := range e.out.Fields {
		f := e.out.Fields[i]
		if retry.Ours(f.Name) {
			continue
		}
		if f.ID == http1.Traceparent || equalFold(f.Name, "grpc-timeout") { // what changes in its place
			at := len(t.text)
			t.text = append(t.text, f.Value...)
			f.Value = t.text[at:]
		}
		t.out.Fields = append(t.out.Fields, f)
	}
	var count [20]byte
	if p.plan.TellAttempt {
		t.field("x-envoy-attempt-count", strconv.AppendInt(count[:0], int64(t.number+1), 10))
	}
	if p.plan.TellTimeout && p.late {
		t.field("x-envoy-is-timeout-retry", []byte("true"))
	}
}

// adopt passes the answer of the try that has won on.
func (p *persistence) adopt(t *oneTry) *hop.Failure {
	e := p.e
	t.settled = true
	if k, ok := t.via.(*peeked); ok {
		k.take()
	}
	e.choose(t.host)
	e.a = t.a
	e.resp, t.resp = t.resp, e.resp
	e.attempt = attempt{via: t.via}
	p.succeed(t)
	whole := e.attach(t.via)
	p.end()
	if whole {
		e.x.Flags |= p.flags
		if idle := int64(p.plan.PerTryIdle); idle > 0 {
			e.still.Store(min(idle, e.still.Load()))
		}
		e.pass()
	}
	e.stopKeeping(&p.body, &t.sending)
	t.leave()
	e.sendErr = t.sending.err
	f := e.outcome(e.detach())
	e.arrive(f)
	e.closeVia()
	return f
}

// lose ends all tries but the one that has won, at the same time.
func (p *persistence) lose(won *oneTry) {
	why := hop.HedgeLost
	if won == nil {
		why = p.e.outcome(p.e.cutBy())
	}
	for _, t := range p.tries {
		if t != won && !t.settled {
			p.give(t, why)
		}
	}
}

// give gives a try up that is under way.
func (p *persistence) give(t *oneTry, why *hop.Failure) {
	t.stop(Cancelled)
	t.failure = why
	if t.soft && why == hop.HedgeLost {
		t.failure = hop.TryTimeout
	}
	t.outcome = retry.Outcome{Kind: retry.Over, Status: -1}
	p.learn(t, time.Now().UnixNano())
	t.settle()
	if why == hop.HedgeLost {
		t.a.X.Status, t.a.X.ErrorType = event.Unset, ""
	}
}
