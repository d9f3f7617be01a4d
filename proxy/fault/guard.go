package fault

import (
	"context"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

// Set is the faults of a route of HTTP. It is a route.Guard.
type Set struct{ faults []*Fault }

// New compiles faults that have been checked; nil where there are none for HTTP.
func New(all []config.Fault, o Options) (*Set, error) {
	s := new(Set)
	for i := range all {
		if c := &all[i]; !c.Match.MongoDB() {
			f, err := newFault(i, c, o)
			if err != nil {
				return nil, err
			}
			s.faults = append(s.faults, f)
		}
	}
	if len(s.faults) == 0 {
		return nil, nil
	}
	return s, nil
}

// Waits is route.Waiter's.
func (s *Set) Waits() bool { return true }

// Admit delays the request and refuses it, where that is its lot. What slows it
// down comes into q.
func (s *Set) Admit(ctx context.Context, q *route.Question) *route.Failure {
	for _, f := range s.faults {
		if f.fits(q) {
			return f.admit(ctx, q)
		}
	}
	return nil
}

func (f *Fault) fits(q *route.Question) bool {
	cluster := ""
	if q.Cluster != nil {
		cluster = q.Cluster.Name()
	}
	if !f.goes(q.Client, cluster) {
		return false
	}
	for i := range f.headers {
		if !f.headers[i].Header(q.Head) {
			return false
		}
	}
	return true
}

// lot is what happens to one request.
type lot struct {
	delay time.Duration
	abort abort
	rates [2]int64 // bytes in a second, by direction; 0 for any number
	cut   int64    // bytes of the answer's body that pass; 0 for all
}

// admit has a request get its lot.
func (f *Fault) admit(ctx context.Context, q *route.Question) *route.Failure {
	l := f.lot(q)
	if l == (lot{}) || !f.enter() {
		return nil
	}
	if l.delay > 0 {
		q.Exchange.Flags |= event.FlagDI
		if !f.wait(ctx, l.delay) {
			f.leave()
			return nil // whoever ended ctx knows what becomes of the request
		}
	}
	if l.abort != (abort{}) {
		f.leave()
		f.stats.Aborts.Add(1)
		f.report.hit()
		return l.abort.failure()
	}
	if l.rates == [2]int64{} && l.cut == 0 {
		f.leave()
		return nil
	}
	if l.rates != [2]int64{} {
		q.Exchange.Flags |= event.FlagDI
	}
	q.Pacer = f.pacer(&l)
	return nil
}

// lot draws by the configuration, and by the request's own fields where its
// client may say so.
func (f *Fault) lot(q *route.Question) (l lot) {
	asked := wishes{head: q.Head, on: f.config.Headers && (f.trust || contains(f.trusted, q.Client))}
	if d, ok := asked.delay(f.delay.share); ok {
		l.delay = d
	} else if f.delay.draw() {
		l.delay = f.delay.time()
	}
	if a, ok := asked.abort(f.abort); ok {
		l.abort = a
	} else if f.abort.draw() {
		l.abort = abortOf(&f.config.Abort)
	}
	if r, ok := asked.rate(f.rates[event.ToClient].share); ok {
		l.rates[event.ToClient] = r
	} else if r := f.rates[event.ToClient]; r.draw() {
		l.rates[event.ToClient] = r.limit
	}
	if r := f.rates[event.ToServer]; r.draw() {
		l.rates[event.ToServer] = r.limit
	}
	if f.cut.draw() {
		l.cut = int64(f.config.Cut.After)
	}
	return l
}

// abort is an end; the zero value is none.
type abort struct {
	status, grpc int
	reset        bool
}

// abortOf is what c says for HTTP.
func abortOf(c *config.FaultAbort) abort {
	a := abort{status: c.Status, reset: c.Reset}
	if c.GRPC != "" {
		a.grpc, _ = config.ParseGRPC(c.GRPC) // it was checked
	}
	return a
}

// statuses of HTTP stand for those of gRPC where a client does not speak it
// (google.rpc.Code, as Envoy and gateways map it).
var statuses = [...]int{
	0: 200, 1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 15: 500, 16: 401,
}

func (a abort) failure() *route.Failure {
	f := &route.Failure{Status: a.status, GRPC: a.grpc, Flags: event.FlagFI, Detail: "fault_filter_abort"}
	switch {
	case a.reset:
		f.Status, f.Detail = 0, "fault_filter_reset"
	case a.grpc > 0:
		f.Status = statuses[a.grpc]
	}
	return f
}
