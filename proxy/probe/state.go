// Package probe tells who stands before pitot, balancers and schedulers, how
// pitot itself is: over HTTP, and as the health service of gRPC.
package probe

import "sync"

// State is how the proxy as a whole is. Its methods may be called from many
// goroutines.
type State struct {
	mu       sync.Mutex
	draining bool
	failed   bool
	changed  chan struct{} // closed at the next change
}

// New is the state of a proxy that is well.
func New() *State { return &State{changed: make(chan struct{})} }

// Drain says that the proxy ends.
func (s *State) Drain() { s.set(func() { s.draining = true }) }

// Fail says that the operator wants checks to fail, or wants that no more.
func (s *State) Fail(on bool) { s.set(func() { s.failed = on }) }

func (s *State) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Draining reports whether checks are to fail: the proxy ends, or the operator
// wants so.
func (s *State) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining || s.failed
}

// now is also what is closed at the next change.
func (s *State) now() (draining, failed bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining, s.failed, s.changed
}
