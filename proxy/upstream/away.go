package upstream

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A host that cannot be connected to is passed over for a while, where there is
// another: a dead host costs one exchange in each such period a try. Health
// checks and outlier detection may take it out altogether; this needs neither.

// Backoff bounds the periods in which a host is passed over: they double from
// Base to Max with every try that fails, and are shortened by up to a half by
// chance, so that many proxies do not try at once.
type Backoff struct {
	Base time.Duration // 100 ms by default; less than 0 for no back-off
	Max  time.Duration // 10 s by default
}

// Defaults of Backoff.
const (
	DefaultBackoff    = 100 * time.Millisecond
	DefaultMaxBackoff = 10 * time.Second
)

func (b Backoff) withDefaults() Backoff {
	b.Base = cmp.Or(b.Base, DefaultBackoff)
	b.Max = max(cmp.Or(b.Max, DefaultMaxBackoff), b.Base)
	return b
}

// after is the period after so many failures, from 1 on; random is in [0, 1).
func (b Backoff) after(failures int, random float64) time.Duration {
	d := b.Max
	if shift := failures - 1; shift < 32 && b.Base<<shift>>shift == b.Base {
		d = min(b.Max, b.Base<<shift)
	}
	return d - time.Duration(random/2*float64(d))
}

// away is what is known of a host that could not be reached.
type away struct {
	until atomic.Int64 // ns since the Unix epoch, up to when it is passed over; 0 for a host that can be reached

	mu       sync.Mutex // guards what follows
	failures int        // in a row
	trying   bool       // somebody looks whether it is back
}

// missed notes that h could not be reached at now. Those who had set out before
// that was known prolong nothing.
func (h *Host) missed(now int64) {
	b := h.cluster.options.Backoff
	if b.Base < 0 {
		return
	}
	a := &h.away
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.until.Load() != 0 && !a.trying {
		return
	}
	a.failures++
	a.trying = false
	h.flags.Or(uint32(Away))
	a.until.Store(now + int64(b.after(a.failures, rand.Float64())))
}

// reached notes that a connection to h has come about.
func (h *Host) reached() {
	a := &h.away
	if a.until.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures, a.trying = 0, false
	h.flags.And(^uint32(Away))
	a.until.Store(0)
}

// passedOver reports whether h is to be passed over at now. When a period is
// over, one who asks is to look whether h is back, and all others pass over it
// for another one.
func (h *Host) passedOver(now int64) bool {
	a := &h.away
	if a.until.Load() > now {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch until := a.until.Load(); {
	case until == 0:
		return false
	case until > now:
		return true
	}
	a.trying = true
	a.until.Store(now + int64(h.cluster.options.Backoff.after(a.failures, rand.Float64())))
	return false
}

// ours reports whether err, of a dial, is this machine's doing, and says nothing
// of the host.
func ours(err error) bool {
	for _, no := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, no) {
			return true
		}
	}
	return errors.Is(err, errClosed)
}

// Why a host was picked that is not the policy's choice.
const (
	whyElsewhere = "connect_backoff"        // the policy's choice could not be reached just now
	whyProbe     = "connect_backoff, probe" // somebody has to look whether it is back
)

// passOvers bounds how many hosts in a row are passed over.
const passOvers = 4

// pick chooses a host for w and begins an exchange there. It passes over those
// that could not be reached just now, where there are others.
func (c *Cluster) pick(ctx context.Context, w *Want) (*Host, error) {
	if c.original != nil {
		return c.pickOriginal(ctx, w)
	}
	h, err := c.choose(w)
	if err != nil {
		if len(w.tried) == 0 { // else there is no other, which says nothing of the cluster's health
			c.none.Add(1)
		}
		return nil, err
	}
	if h.Flags()&Away != 0 {
		h = c.reachable(w, h)
	}
	return h.begin(), nil
}

// reachable is h, or another host where h is to be passed over.
func (c *Cluster) reachable(w *Want, h *Host) *Host {
	now, before, choice, why := cmp.Or(w.Now, time.Now().UnixNano()), len(w.tried), h, w.Why
	defer func() { w.tried = w.tried[:before] }()
	for range passOvers {
		switch {
		case h.away.until.Load() == 0:
			w.Why = whyElsewhere
			return h
		case !h.passedOver(now):
			w.Why = whyProbe
			return h
		}
		w.Avoid(h)
		next, err := c.choose(w)
		if err != nil {
			break
		}
		h = next
	}
	w.Why = why
	return choice
}
