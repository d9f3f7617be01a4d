package route

import (
	"context"
	"net/netip"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Guard decides whether a request may go on, after its route is found and before
// a host is picked. A limit is one file or folder that makes a Guard, and one
// line in proxy/guards.go.
type Guard interface {
	// Admit says why the request does not go on; nil lets it. It may wait
	// until ctx ends, which is when the client has gone or the proxy ends.
	// What q points to is lent for the length of the call.
	Admit(ctx context.Context, q *Question) *Failure
}

// Question is a request that a Guard is asked about.
type Question struct {
	Head     *http1.Head     // as the client sent it
	Exchange *event.Exchange // what is known of it so far
	Client   netip.Addr      // who asks, by what proxies before this one tell where they are believed
	Secure   bool            // the client speaks TLS
	Route    *Route
	Cluster  *upstream.Cluster // where the request would go; nil where the route answers
	Now      int64             // ns since the Unix epoch

	// Answer are fields that the guards want the answer to have. Their text
	// must stay as it is until the exchange is over.
	Answer []http1.Field

	// Request are fields that the guards want the host to get, likewise.
	Request []http1.Field

	let int // guards that let it in

	// Pacer, where a guard sets it, holds the exchange's bodies back. It is for
	// guards that wait.
	Pacer Pacer
}

// Pacer holds the bodies of one exchange back, and may break it off.
type Pacer interface {
	// Pace waits until some of n bytes may pass in direction d, and gives how
	// many, at least one; when ctx ends, what it gives does not matter. A
	// Failure breaks the exchange off. Each direction has one caller.
	Pace(ctx context.Context, d event.Dir, n int) (int, *Failure)
	// Done is called when the exchange is over.
	Done()
}

// Guarded reports whether anybody is to be asked about the route's requests.
func (r *Route) Guarded() bool { return len(r.Guards) > 0 }

// Waiter is a Guard that may wait for somebody before it decides. A listener
// whose routes have one is served by the engine of proxy/relay.
type Waiter interface{ Waits() bool }

// Waits reports whether a guard of the route may wait.
func (r *Route) Waits() bool {
	for _, g := range r.Guards {
		if w, ok := g.(Waiter); ok && w.Waits() {
			return true
		}
	}
	return false
}

// Admit asks the route's guards in their order; the first that has something
// against the request decides.
func (r *Route) Admit(ctx context.Context, q *Question) *Failure {
	for _, g := range r.Guards {
		if f := g.Admit(ctx, q); f != nil {
			return f
		}
		q.let++
	}
	return nil
}

// Ender is a Guard that is told how the requests end that it let in: now, with
// q.Exchange as it is told to everybody.
type Ender interface {
	Ended(q *Question, now int64)
}

// End tells the guards that have let q in that it is over.
func (q *Question) End(now int64) {
	for i := range q.let {
		if e, ok := q.Route.Guards[i].(Ender); ok {
			e.Ended(q, now)
		}
	}
	q.let = 0
}
