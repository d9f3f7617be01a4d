package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Options make a Poller. Cluster must be there.
type Options struct {
	Cluster *upstream.Cluster
	Refresh time.Duration // between two questions; 5 s by default
	Jitter  time.Duration // at most so much is added to it, by chance
	Timeout time.Duration // of one question; 5 s by default

	RetryBase time.Duration // first wait after a question without answer; 1 s by default
	RetryMax  time.Duration // and the longest; 10 s by default

	Random func() float64 // from 0 up to 1; the process's by default
	Log    *slog.Logger   // none by default
}

// OptionsOf are those of a cluster's configuration.
func OptionsOf(c *config.Discovery, to *upstream.Cluster, log *slog.Logger) Options {
	return Options{Cluster: to, Refresh: c.Refresh, Jitter: c.Jitter, Timeout: c.Timeout, RetryBase: c.RetryBase, RetryMax: c.RetryMax, Log: log}
}

// Poller asks a source again and again and has a cluster take its answers over.
type Poller struct {
	source Source
	o      Options
	wait   time.Duration // until the next question
	tries  int           // without an answer, in a row
	told   bool          // that there is none
}

// NewPoller makes a poller that has not asked yet.
func NewPoller(s Source, o Options) *Poller {
	o.Refresh = cmp.Or(o.Refresh, 5*time.Second)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.RetryBase = cmp.Or(o.RetryBase, time.Second)
	o.RetryMax = cmp.Or(o.RetryMax, 10*time.Second)
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Poller{source: s, o: o}
}

// Run asks until ctx is done; one goroutine runs a poller.
func (p *Poller) Run(ctx context.Context) {
	t := time.NewTimer(p.wait) // at once, unless there was a Step already
	defer t.Stop()
	for {
		select {
		case <-t.C:
			t.Reset(p.Step(ctx, time.Now()))
		case <-ctx.Done():
			return
		}
	}
}

// Close frees what the source keeps. Nobody asks any more.
func (p *Poller) Close() {
	if c, ok := p.source.(io.Closer); ok {
		_ = c.Close() // it only lets go
	}
}

// Step asks once, at the time now, and returns how long to wait until the next
// time. It may wait until ctx ends.
func (p *Poller) Step(ctx context.Context, now time.Time) time.Duration {
	asking, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	a, err := p.source.Fetch(asking)
	switch {
	case err != nil && ctx.Err() != nil: // it is the end, not a failure
	case err != nil:
		p.wait = p.failed(now, err)
	case a.Idle && p.tries == 0:
		p.wait = p.o.Refresh
	default:
		a.Same = a.Same || a.Idle // as before the failure
		p.succeeded(now, &a)
		p.wait = cmp.Or(a.TTL, p.o.Refresh) + time.Duration(p.o.Random()*float64(p.o.Jitter))
	}
	return p.wait
}

func (p *Poller) succeeded(now time.Time, a *Answer) {
	u := p.o.Cluster.Updates()
	u.Attempt.Add(1)
	u.Success.Add(1)
	same := a.Same
	if !same {
		if len(a.Endpoints) == 0 {
			u.Empty.Add(1)
		}
		same = p.o.Cluster.Update(a.Endpoints).Same
		p.o.Cluster.TakeLoads(now, loads(a.Reports))
	}
	if same {
		u.Same.Add(1)
	}
	if p.told {
		p.tell(now, event.Info, "answers again", "")
	}
	p.tries, p.told = 0, false
}

func loads(reports []Report) map[string]upstream.Load {
	all := make(map[string]upstream.Load, len(reports))
	for _, r := range reports {
		all[r.Address] = r.Load
	}
	return all
}

// failed counts a question without a good answer and returns the wait until the
// next. What cannot be used is told from the second time on: the first may lie
// in the middle of its being written.
func (p *Poller) failed(now time.Time, err error) time.Duration {
	u := p.o.Cluster.Updates()
	u.Attempt.Add(1)
	rejected := errors.Is(err, errRejected)
	if rejected {
		u.Rejected.Add(1)
	} else {
		u.Failure.Add(1)
	}
	if p.tries++; !p.told && (!rejected || p.tries > 1) {
		p.told = true
		p.tell(now, event.Warn, "failed: "+err.Error()+"; what was known stays", reason(rejected))
	}
	return p.backOff()
}

func reason(rejected bool) string {
	if rejected {
		return "rejected"
	}
	return "no answer"
}

// backOff doubles with every failure, and takes between half of that and all.
func (p *Poller) backOff() time.Duration {
	d := p.o.RetryBase
	for n := 1; n < p.tries && d < p.o.RetryMax; n++ {
		d *= 2
	}
	d = min(d, p.o.RetryMax)
	return d/2 + time.Duration(p.o.Random()*float64(d/2))
}

func (p *Poller) tell(now time.Time, level event.Severity, what, reason string) {
	n := event.Notice{Time: now.UnixNano(), Name: event.EventDiscovery, Severity: level, Body: fmt.Sprintf("discovery of cluster %q %s", p.o.Cluster.Name(), what)}
	if reason != "" {
		n.Attributes = append(n.Attributes, event.KeyValue{Key: event.AttrErrorType, Value: reason})
	}
	if level >= event.Warn {
		p.o.Log.Warn(n.Body)
	} else {
		p.o.Log.Info(n.Body)
	}
	p.o.Cluster.Tell(nil, &n)
}
