//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Store is an open engine and its HTTP server.
type Store struct {
	opts   Options
	log    *slog.Logger
	engine *engine
	about  about

	ln       net.Listener
	http     *http.Server
	serving  chan error // Serve's end
	handlers sync.WaitGroup
	slots    chan struct{} // one per running query
	closing  chan struct{} // closed when Close begins
	once     sync.Once
	closed   error
	sessions sessions
	leases   leases
}

// about is what the engine says of itself.
type about struct{ name, version, timezone string }

// Open opens the engine on opts.Data and serves it. The caller closes the Store. Errors name what is wrong and the mend: a missing
// engine (*library.MissingError), data held by another process, an address in use.
func Open(opts Options, log *slog.Logger) (*Store, error) {
	opts = opts.withDefaults()
	if err := opts.checkListen(); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("store: %w (is another store or ClickHouse running there? choose another address with --listen)", err)
	}
	e, err := openEngine(opts.Library, opts.Data)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	s := &Store{opts: opts, log: log, engine: e, ln: ln, serving: make(chan error, 1), slots: make(chan struct{}, opts.Limits.Queries), closing: make(chan struct{})}
	if err := s.ask(); err != nil {
		_ = ln.Close()
		return nil, errors.Join(err, e.close())
	}
	s.leases.start(opts.WhileLeased, opts.Limits.LeaseGrace)
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: opts.Limits.HeaderTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go func() { s.serving <- s.http.Serve(ln) }()
	return s, nil
}

// ask fills about, which also proves that the engine answers.
func (s *Store) ask() error {
	c, err := s.engine.connect()
	if err != nil {
		return err
	}
	defer c.close()
	out, _, err := c.query("SELECT displayName(), version(), timezone()", "TabSeparatedRaw")
	if err != nil {
		return err
	}
	if f := strings.Split(strings.TrimSpace(string(out)), "\t"); len(f) == 3 {
		s.about = about{f[0], f[1], f[2]}
	}
	return nil
}

// Addr is where the store listens.
func (s *Store) Addr() string { return s.ln.Addr().String() }

// Version is the engine's.
func (s *Store) Version() string { return s.about.version }

// Unused is closed when a store opened WhileLeased has no user left. Otherwise it never is.
func (s *Store) Unused() <-chan struct{} { return s.leases.unused }

// Close stops taking requests, lets running ones end for the drain time or until ctx ends, stops the rest, and closes the
// engine, which leaves everything acknowledged on disk. It may be called again.
func (s *Store) Close(ctx context.Context) error {
	s.once.Do(func() { s.closed = s.close(ctx) })
	return s.closed
}

func (s *Store) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Limits.DrainTimeout)
	defer cancel()
	close(s.closing)
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.log.Warn("store closes with queries running; they are stopped", "after", s.opts.Limits.DrainTimeout)
		s.engine.kill("") // all
		err = s.http.Close()
	}
	if served := <-s.serving; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.handlers.Wait()
	s.leases.stop()
	s.sessions.closeAll()
	return errors.Join(err, s.engine.close())
}

// ServeHTTP answers one request.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handlers.Add(1)
	defer s.handlers.Done()
	h := w.Header()
	h.Set("X-ClickHouse-Server-Display-Name", s.about.name)
	h.Set("X-ClickHouse-Timezone", s.about.timezone)
	h.Set(MarkHeader, s.engine.data)
	switch {
	case s.opts.Password == "" && fromBrowser(r):
		http.Error(w, "this store answers local programs, not web pages of other origins", http.StatusForbidden)
	case r.URL.Path == "/ping", r.URL.Path == "/replicas_status":
		plain(w, "Ok.\n")
	case r.URL.Path == LeasePath:
		s.lease(w, r)
	case r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.RawQuery == "":
		plain(w, "Ok.\n")
	case r.URL.Path != "/" && r.URL.Path != "/query":
		http.Error(w, "There is no handle "+r.URL.Path+". Use / or /ping for health checks, and POST or GET queries to /", http.StatusNotFound)
	default:
		s.answer(w, r)
	}
}

func plain(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	_, _ = w.Write([]byte(text))
}

// slot waits for one of Limits.Queries places.
func (s *Store) slot(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return raise(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "the request ended while waiting for others")
	case <-s.closing:
		return raise(236, "ABORTED", "the store is shutting down")
	}
}

// killOn stops the statement tagged tag when ctx ends first. The returned function ends the watch and waits for it.
func (s *Store) killOn(ctx context.Context, tag string) func() {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		s.engine.kill(tag)
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}
