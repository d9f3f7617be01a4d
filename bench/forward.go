package main

import (
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// forwarding measures peers that stand between load and origin.
type forwarding struct {
	title  string
	unit   string
	origin func() (address string, stop func(), err error)
	client func(address string) (client, error)
	// external makes the load in client's place: it returns how many requests were answered.
	external func(address string, conns int, length time.Duration) (uint64, error)
	peers    []peer
	bases    []string
}

// client is one connection that can do one request after the other.
type client interface {
	once() error
	close()
}

func (f forwarding) run(o options, dir string) error {
	upstream, stop, err := f.origin()
	if err != nil {
		return err
	}
	defer stop()
	t := newTable(f.title, f.unit, "per second", f.bases...)
	for range o.rounds {
		for _, p := range beside(o, f.present(o)) {
			cpu, rate, err := f.once(p, o, dir, upstream)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			t.add(p.name, cpu, rate)
		}
	}
	t.print()
	return nil
}

// present are the peers that are installed and asked for.
func (f forwarding) present(o options) (here []peer) {
	for _, p := range f.peers {
		if _, err := exec.LookPath(p.command[0]); err == nil && o.wants(p) {
			here = append(here, p)
		}
	}
	return here
}

// beside adds what pitot was before, where o names that.
func beside(o options, peers []peer) (all []peer) {
	for _, p := range peers {
		if all = append(all, p); o.before != "" && p.command[0] == o.pitot {
			p.command = append([]string{o.before}, p.command[1:]...)
			all = append(all, p.named(p.name+", before"))
		}
	}
	return all
}

// once loads one peer and returns CPU seconds per 100,000 requests and the
// requests a second.
func (f forwarding) once(p peer, o options, dir, upstream string) (cpu, rate float64, err error) {
	r, err := p.start(dir, upstream)
	if err != nil {
		return 0, 0, err
	}
	defer r.stop()
	if _, err := f.load(r.listen, o.conns, o.secs/4); err != nil { // warm up
		return 0, 0, err
	}
	before, began := r.cpu(), time.Now()
	n, err := f.load(r.listen, o.conns, o.secs)
	used, took := r.cpu()-before, time.Since(began)
	if n == 0 {
		return 0, 0, fmt.Errorf("no request got through: %w", err)
	}
	return used / float64(n) * 1e5, float64(n) / took.Seconds(), err
}

func (f forwarding) load(address string, conns int, length time.Duration) (uint64, error) {
	if f.external != nil {
		return f.external(address, conns, length)
	}
	var done atomic.Uint64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	until := time.Now().Add(length)
	for range conns {
		wg.Go(func() {
			if err := f.loop(address, until, &done); err != nil {
				failed.Store(&err)
			}
		})
	}
	wg.Wait()
	if e := failed.Load(); e != nil {
		return done.Load(), *e
	}
	return done.Load(), nil
}

func (f forwarding) loop(address string, until time.Time, done *atomic.Uint64) error {
	c, err := f.client(address)
	if err != nil {
		return err
	}
	defer c.close()
	for time.Now().Before(until) {
		if err := c.once(); err != nil {
			return err
		}
		done.Add(1)
	}
	return nil
}
