package upstream

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// members is who belongs to a cluster at one time, and who of them is picked.
// It does not change once it is made.
type members struct {
	all    []*Host
	picker Picker // nil when there is nobody
	why    string
	sound  bool // somebody is usable
}

// balance decides who of m's hosts are picked, and puts m into use. The caller
// has the lock.
func (c *Cluster) balance(m *members) {
	var usable []*Host
	for _, h := range m.all {
		if h.Usable() {
			usable = append(usable, h)
		}
	}
	m.sound, m.why = len(usable) > 0, c.options.Policy.Name()
	if !m.sound { // panic: somebody may answer in spite of all
		usable, m.why = m.all, c.options.Policy.Name()+", panic"
	}
	if len(usable) > 0 {
		m.picker = c.options.Policy.Over(usable)
	}
	c.now.Store(m)
}

// Pick chooses a host for one exchange and counts it active there until its
// Done. It fails with ErrNoHost. A source in ctx (WithSource) decides where a
// cluster goes that has no endpoints.
func (c *Cluster) Pick(ctx context.Context, w *Want) (*Host, error) {
	if c.original != nil {
		return c.pickOriginal(ctx, w)
	}
	m := c.now.Load()
	w.Why = m.why
	if m.picker == nil || w.Tried() >= len(m.all) {
		return nil, c.noHost(ErrNoHost)
	}
	if w.Tried() > 0 {
		if h := m.other(w); h != nil {
			return h.begin(), nil
		}
		return nil, c.noHost(ErrNoHost)
	}
	return m.picker.Pick(w).begin(), nil
}

func (c *Cluster) pickOriginal(ctx context.Context, w *Want) (*Host, error) {
	if w.Tried() > 0 {
		return nil, c.noHost(ErrNoHost)
	}
	w.Why = "original_destination"
	h, err := c.original.pick(ctx)
	if err != nil {
		return nil, c.noHost(err)
	}
	return h, nil
}

func (c *Cluster) noHost(err error) error {
	c.none.Add(1)
	return fmt.Errorf("cluster %q: %w", c.name, err)
}

// other is some host that was not tried: a usable one, if there is one. The
// policy is not asked, whose turns would shift.
func (m *members) other(w *Want) (last *Host) {
	n := len(m.all)
	for i, from := 0, rand.IntN(n); i < n; i++ {
		switch h := m.all[(from+i)%n]; {
		case w.Avoids(h):
		case h.Usable():
			return h
		case !m.sound:
			last = h
		}
	}
	return last
}
