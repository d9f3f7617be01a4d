package launch

import (
	"context"
	"sync"
	"time"
)

// Keeper is a store that is started again when it ends, for runs that last: a store that crashed or was killed is back within a second
// or so, and what was sent meanwhile waits in the pump.
type Keeper struct {
	Addr string

	mu     sync.Mutex
	store  *Store // nil while it is away
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Pauses between attempts to start a store that ended.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 10 * time.Second
)

// Keep is Ensure, and goes on ensuring until Close. tell hears of every end and every new start, with a nil error for the latter;
// it is called from one goroutine.
func Keep(ctx context.Context, opts Options, tell func(what string, err error)) (*Keeper, error) {
	s, err := Ensure(ctx, opts)
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k := &Keeper{Addr: s.Addr, store: s, cancel: cancel}
	opts.Data = s.Data // the same data again, whoever started it
	k.done.Go(func() { k.watch(run, opts, tell) })
	return k, nil
}

// DSN names the store for clickhouse-go.
func (k *Keeper) DSN() string { return "http://" + k.Addr + "/" }

func (k *Keeper) watch(ctx context.Context, opts Options, tell func(string, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.current().Gone():
		}
		k.set(nil)
		tell("the store ended; starting it again", nil)
		s := again(ctx, opts, tell)
		if s == nil {
			return
		}
		k.set(s)
		tell("the store is back", nil)
	}
}

// again tries until there is a store or ctx ends.
func again(ctx context.Context, opts Options, tell func(string, error)) *Store {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		s, err := Ensure(ctx, opts)
		if err == nil {
			return s
		}
		if ctx.Err() == nil {
			tell("the store does not start", err)
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

func (k *Keeper) current() *Store {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.store
}

func (k *Keeper) set(s *Store) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.store = s
}

// Close stops keeping and gives the lease back, as Store.Close does.
func (k *Keeper) Close(ctx context.Context) error {
	k.cancel()
	k.done.Wait()
	if s := k.current(); s != nil {
		return s.Close(ctx)
	}
	return nil
}
