// Package minimongo is a small MongoDB server that keeps its documents in memory and speaks the real wire protocol.
//
// It stands in for a server where none is installed: `pitot demo` runs on it and tests talk to it with the official
// drivers. It answers the commands that applications use every day (commands.go lists them) and refuses every other
// one as a server does, with CommandNotFound. It reads the wire with code of its own, so that a test that compares
// what pitot saw with what minimongo did compares two readings of the bytes.
//
// It presents itself as a mongos, because drivers then accept transactions and never replace the address they were
// given (a proxy's, in the demo) by one that the server names. Transactions are accepted, and abort takes the
// transaction's writes back, but nothing isolates them: others see its writes before it commits. There is no
// authentication, no TLS and nothing on disk; ordinary indexes are kept by name only, unique ones are enforced.
package minimongo

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Options bound the server. A zero field has the default named beside it.
type Options struct {
	MaxConns     int                                            // connections at a time, 1,000; one more is closed at once
	MaxDocuments int                                            // documents in all collections, 1,000,000
	MaxCursors   int                                            // open cursors, 10,000
	MaxSessions  int                                            // sessions remembered, 10,000; the eldest are forgotten
	Compressors  []string                                       // offered to clients: all of snappy, zlib, zstd; empty but not nil: none
	Latency      func(command, collection string) time.Duration // waited before a command is answered; nil: none
}

// Server is a running server. Its methods may be called from any goroutine.
type Server struct {
	opts     Options
	ln       net.Listener
	handlers map[string]handler
	store    *store
	cursors  *cursors
	sessions *sessions
	codecs   *codecs
	process  bson.ObjectID
	started  time.Time
	done     chan struct{} // closed by Close: ends every wait

	messages atomic.Int32 // the last request id of a reply
	connIDs  atomic.Int32
	counts   sync.Map // command name -> *atomic.Int64, names of handlers only

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	wg     sync.WaitGroup
}

// Listen binds address (host:port, port 0 for a free one) and serves it until Close.
func Listen(address string, opts Options) (*Server, error) {
	opts = opts.withDefaults()
	codecs, err := newCodecs(opts.Compressors)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("minimongo: listen on %s: %w", address, err)
	}
	s := &Server{
		opts: opts, ln: ln, codecs: codecs, handlers: commands(), store: newStore(opts.MaxDocuments),
		cursors: newCursors(opts.MaxCursors), sessions: newSessions(opts.MaxSessions),
		process: bson.NewObjectID(), started: time.Now(), done: make(chan struct{}), conns: map[net.Conn]struct{}{},
	}
	s.wg.Go(s.accept)
	return s, nil
}

func (o Options) withDefaults() Options {
	o.MaxConns = cmp.Or(o.MaxConns, 1000)
	o.MaxDocuments = cmp.Or(o.MaxDocuments, 1_000_000)
	o.MaxCursors = cmp.Or(o.MaxCursors, 10_000)
	o.MaxSessions = cmp.Or(o.MaxSessions, 10_000)
	if o.Compressors == nil {
		o.Compressors = []string{"snappy", "zlib", "zstd"}
	}
	return o
}

// Addr is the address bound, host:port.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// URI is what a driver connects with.
func (s *Server) URI() string { return "mongodb://" + s.Addr() + "/" }

// Commands says how many requests named each command so far; unknown commands are not among them.
func (s *Server) Commands() map[string]int64 {
	out := map[string]int64{}
	s.counts.Range(func(name, n any) bool {
		out[name.(string)] = n.(*atomic.Int64).Load()
		return true
	})
	return out
}

// Close ends all connections and returns when their goroutines have. A second call does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.done)
	err := s.ln.Close()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	s.codecs.close()
	return err
}

func (s *Server) accept() {
	for {
		nc, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or the client was gone at once
			if !s.sleep(10 * time.Millisecond) {
				return
			}
			continue
		}
		if !s.admit(nc) {
			nc.Close()
		}
	}
}

// admit starts serving nc unless the server is full or closing.
func (s *Server) admit(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.opts.MaxConns {
		return false
	}
	s.conns[nc] = struct{}{}
	s.wg.Go(func() {
		defer s.forget(nc)
		newConn(s, nc).serve()
	})
	return true
}

func (s *Server) forget(nc net.Conn) {
	nc.Close()
	s.mu.Lock()
	delete(s.conns, nc)
	s.mu.Unlock()
}

func (s *Server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// sleep waits d and says whether the server is still open.
func (s *Server) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.done:
		return false
	}
}

func (s *Server) count(name string) {
	n, ok := s.counts.Load(name)
	if !ok {
		n, _ = s.counts.LoadOrStore(name, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}
