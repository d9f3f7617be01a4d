package outlier

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// Detector watches over the hosts of one cluster. It is an upstream.Observer:
// a report touches counters and takes no lock, unless it is the one that a
// detector has waited for. Decisions are made by Settle and Sweep, which Run
// calls.
type Detector struct {
	o       Options
	cluster *upstream.Cluster
	draw    func(n int64) int64 // from 0 to n-1
	hosts   sync.Map            // *upstream.Host -> *monitor
	wake    chan struct{}
	stats   stats

	waiting struct {
		sync.Mutex
		list []finding
	}

	mu sync.Mutex // one decision at a time; guards what monitors say of it
}

// maxWaiting bounds what is found and not decided, should nobody decide.
const maxWaiting = 4096

// finding is what detectors have found about a host.
type finding struct {
	m     *monitor
	types uint8
}

var _ upstream.Observer = (*Detector)(nil)

// New makes a detector for c, which c.Observe has to be told of.
func New(c *upstream.Cluster, o Options) *Detector {
	return &Detector{o: o, cluster: c, draw: rand.Int64N, wake: make(chan struct{}, 1)}
}

// Run decides until ctx is done.
func (d *Detector) Run(ctx context.Context) {
	tick := time.NewTicker(d.o.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
			d.Settle(time.Now().UnixNano())
		case <-tick.C:
			d.Sweep(time.Now().UnixNano())
		}
	}
}

// Report takes in what became of an attempt at h.
func (d *Detector) Report(h *upstream.Host, r upstream.Result) {
	m := d.of(h)
	if found := m.take(&d.o, &r); found != 0 {
		d.found(m, found)
	}
}

// of is the monitor of h, made when it is asked for first.
func (d *Detector) of(h *upstream.Host) *monitor {
	if m, ok := d.hosts.Load(h); ok {
		return m.(*monitor)
	}
	m, _ := d.hosts.LoadOrStore(h, &monitor{host: h})
	return m.(*monitor)
}

// found has Run look at what detectors found.
func (d *Detector) found(m *monitor, types uint8) {
	d.waiting.Lock()
	if len(d.waiting.list) < maxWaiting {
		d.waiting.list = append(d.waiting.list, finding{m, types})
	}
	d.waiting.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Settle decides what detectors have found since, at now.
func (d *Detector) Settle(now int64) {
	d.waiting.Lock()
	list := d.waiting.list
	d.waiting.list = nil
	d.waiting.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range list {
		for t := Consecutive5xx; t <= ConsecutiveLocal; t++ {
			if f.types&(1<<t) == 0 {
				continue
			}
			run := f.m.run[t].Load()
			if d.sync(f.m, now); f.m.host.Flags()&upstream.Ejected == 0 {
				d.detected(f.m, t, now, numbers{run: run, need: d.o.Run[t]})
			}
			f.m.clear(t)
		}
	}
}

// Sweep ends ejections whose time has come, and judges success rates of the
// interval that ends, at now. Hosts that are no more are forgotten.
func (d *Detector) Sweep(now int64) {
	d.Settle(now)
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*monitor
	here := map[*upstream.Host]bool{}
	for _, h := range d.cluster.Hosts() {
		here[h] = true
		all = append(all, d.of(h))
	}
	d.hosts.Range(func(h, m any) bool {
		if !here[h.(*upstream.Host)] {
			d.forget(m.(*monitor))
		}
		return true
	})
	for _, m := range all {
		d.look(m, now)
		m.rated[external].turn()
		m.rated[local].turn()
		m.told = 0
	}
	d.judge(all, external, now)
	if d.o.Split {
		d.judge(all, local, now)
	}
}

func (d *Detector) forget(m *monitor) {
	if m.ejected {
		d.stats.active.Add(-1)
	}
	d.hosts.Delete(m.host)
}

// look ends the ejection of m, if it is time, or has a host that was well
// through an interval begin to pay off those that it had.
func (d *Detector) look(m *monitor, now int64) {
	d.sync(m, now)
	switch {
	case !m.ejected:
		m.backoff = max(0, m.backoff-1)
	case now-m.since >= int64(m.length(&d.o)):
		d.back(m, now, "its time is over")
	}
}

// sync takes in that an operator has ended the ejection of m.
func (d *Detector) sync(m *monitor, now int64) {
	if m.ejected && m.host.Flags()&upstream.Ejected == 0 {
		d.stats.active.Add(-1)
		m.ejected, m.since = false, now
		m.clearAll()
	}
}

// back ends the ejection of m.
func (d *Detector) back(m *monitor, now int64, why string) {
	d.stats.active.Add(-1)
	m.ejected = false
	m.clearAll()
	d.tellReturn(m, now, why)
	m.since = now
	m.host.Readmit()
}

// Passed is to be called when an active health check of h has passed.
func (d *Detector) Passed(h *upstream.Host, now int64) {
	if d.o.Return && h.Flags()&upstream.Ejected != 0 {
		d.Return(h, now, "an active health check passed")
	}
}

// Return ends the ejection of h before its time, if it is ejected.
func (d *Detector) Return(h *upstream.Host, now int64, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := d.of(h); m.ejected {
		d.back(m, now, why)
	}
}

// detected acts on what detector t found about m, or tells why not.
func (d *Detector) detected(m *monitor, t Type, now int64, n numbers) {
	d.stats.detected[t].Add(1)
	if !d.allowed() {
		d.stats.overflow.Add(1)
		d.tellWould(m, t, now, n, "overflow")
		return
	}
	if d.draw(100) >= int64(d.o.Enforce[t]) {
		d.tellWould(m, t, now, n, "not enforced")
		return
	}
	d.eject(m, t, now, n)
}

// allowed reports whether one more host may be ejected.
func (d *Detector) allowed() bool {
	active, total := d.stats.active.Load(), int64(len(d.cluster.Hosts()))
	return d.o.AlwaysOne && active == 0 || total > 0 && (active+1)*100 <= int64(d.o.MaxPercent)*total
}

func (d *Detector) eject(m *monitor, t Type, now int64, n numbers) {
	d.stats.active.Add(1)
	d.stats.enforced[t].Add(1)
	d.stats.enforcedTotal.Add(1)
	if m.backoff < int64((max(d.o.Base, d.o.Max)+2*d.o.Base-1)/d.o.Base) { // as Envoy: while backoff*Base < Max+Base
		m.backoff++
	}
	m.times++
	m.ejected, m.jitter = true, 0
	if d.o.Jitter > 0 {
		m.jitter = time.Duration(d.draw(int64(d.o.Jitter)))
	}
	d.tellEjection(m, t, now, n)
	m.since = now
	m.host.Mark(upstream.Ejected, true)
}
