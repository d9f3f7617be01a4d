package upstream

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// members is who belongs to a cluster at one time, and who of them is picked.
// It does not change once it is made.
type members struct {
	all     []*Host
	tree    *tree
	subsets *forest // nil where there are none
	why     string

	once sync.Once
	by   map[string]*Host // address; made when it is asked for first
}

// address is the member of that address; nil where there is none.
func (m *members) address(a string) *Host {
	m.once.Do(func() {
		m.by = make(map[string]*Host, len(m.all))
		for _, h := range m.all {
			m.by[h.address] = h
		}
	})
	return m.by[a]
}

// balance decides who of m's hosts are picked, and puts m into use. The caller
// has the lock.
func (c *Cluster) balance(m *members) {
	now := c.options.Clock()
	m.tree = c.plant(m.all, nil, "", now)
	m.subsets = c.subsets(m.all, now)
	m.why = c.options.Policy.Name()
	if len(m.tree.sets) > 0 {
		m.why = m.tree.sets[0].why[plainly]
	}
	c.now.Store(m)
	c.stale.Store(false)
	c.built, c.costly = now, max(len(m.all), c.options.Policy.Traits().Table) > cheap
	c.due.Store(c.warmUntil(m.all, now))
	c.countUnasked(m.all)
	c.notePanic(m, now)
}

func (c *Cluster) warmUntil(hosts []*Host, now int64) int64 {
	if p, ok := c.options.Policy.(interface{ warmUntil([]*Host, int64) int64 }); ok {
		return p.warmUntil(hosts, now)
	}
	return 0
}

// How often it is decided anew who is picked, where that takes a while: for more
// hosts, or entries of a table, than cheap.
const (
	mergeWindow = 100 * time.Millisecond
	cheap       = 4096
)

// postponed reports whether what has changed is taken in later, with what else
// changes until then. The caller has the lock.
func (c *Cluster) postponed() bool {
	at := c.built + int64(mergeWindow)
	if now := c.options.Clock(); !c.costly || now >= at || now < c.built {
		return false
	}
	if due := c.due.Load(); due == 0 || due > at {
		c.due.Store(at)
	}
	c.stale.Store(true)
	return true
}

// catchUp takes in what has changed since, when it is time. One of those who ask
// does it, and the others go on with what is known.
func (c *Cluster) catchUp(now int64) {
	if cmp.Or(now, c.options.Clock()) < c.due.Load() || !c.mu.TryLock() {
		return
	}
	if c.due.Load() == 0 {
		c.mu.Unlock()
		return
	}
	m := c.review()
	c.mu.Unlock()
	c.changed(&m)
}

// choose chooses a host for w.
func (c *Cluster) choose(w *Want) (*Host, error) {
	if c.due.Load() != 0 {
		c.catchUp(w.Now)
	}
	m := c.now.Load()
	if w.Override != "" {
		if h := m.override(w); h != nil {
			return h, nil
		}
		if w.Strict {
			w.Why = whyStrict
			return nil, c.noHost(ErrNoHost)
		}
	}
	t := m.tree
	if m.subsets != nil {
		t = m.subsets.find(w)
	}
	if t != nil {
		if h := t.pick(w, c.stale.Load()); h != nil {
			return h, nil
		}
	}
	w.Why = m.why
	return nil, c.noHost(ErrNoHost)
}

// Why a host was picked that was wanted by name.
const (
	whyOverride = "override"
	whyStrict   = "override, strict"
)

// override is the first of the hosts that are wanted by name that can be picked.
func (m *members) override(w *Want) *Host {
	for address := range strings.SplitSeq(w.Override, ",") {
		if h := m.address(strings.TrimSpace(address)); h != nil && h.Usable() && !w.Avoids(h) {
			w.Why, w.note = whyOverride, plainly
			return h
		}
	}
	return nil
}

func (c *Cluster) pickOriginal(ctx context.Context, w *Want) (*Host, error) {
	if w.Tried() > 0 {
		return nil, c.noHost(ErrNoHost)
	}
	w.Why = "original_destination"
	h, err := c.original.pick(ctx)
	if err != nil {
		c.none.Add(1)
		return nil, c.noHost(err)
	}
	return h, nil
}

func (c *Cluster) noHost(err error) error {
	return fmt.Errorf("cluster %q: %w", c.name, err)
}
