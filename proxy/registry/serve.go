package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// DefaultListen is where a registry is served.
const DefaultListen = "127.0.0.1:9700"

// ServerOptions make a Server.
type ServerOptions struct {
	Listen  string // host:port; DefaultListen by default
	Token   string // wanted of everybody; must be there off loopback
	State   string // file that keeps the hosts over a restart; empty for none
	Options        // Tell is the server's own
	Log     *slog.Logger
}

// How a server spends its time.
const (
	sweepEvery = time.Second      // looks for hosts that have expired
	saveEvery  = time.Second      // writes the state, where it has changed
	grace      = 10 * time.Second // for requests under way at the end
	slowest    = 10 * time.Second // for a whole request or answer
	idle       = 2 * time.Minute  // of a connection
	maxHeader  = 16 << 10         // bytes
)

// Server is a registry with its socket.
type Server struct {
	o        ServerOptions
	registry *Registry
	socket   net.Listener
	saved    uint64 // changes that are in the file
	failing  bool   // the file cannot be written
}

// Open makes a server, takes its state in and binds its socket. Serve must be
// called to let go of it again.
func Open(o ServerOptions) (*Server, error) {
	o.Listen = cmp.Or(o.Listen, DefaultListen)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Token == "" && !loopback(o.Listen) {
		return nil, fmt.Errorf("registry: %s can be reached from elsewhere: give a token (--token), or listen on %s", o.Listen, DefaultListen)
	}
	o.Tell = func(c Change) { o.Log.Info("host "+c.What, "service", c.Service, "address", c.Address) }
	s := &Server{o: o, registry: New(o.Options)}
	if err := s.restore(); err != nil {
		return nil, err
	}
	var err error
	if s.socket, err = net.Listen("tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("registry: %w; choose another address (--listen)", err)
	}
	return s, nil
}

func (s *Server) restore() error {
	if s.o.State == "" {
		return nil
	}
	n, err := s.registry.Restore(time.Now(), s.o.State)
	if err == nil {
		s.o.Log.Info("state taken in", "file", s.o.State, "hosts", n)
		s.saved = s.registry.Changes()
	}
	return err
}

func loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Addr is the address that the server is bound to.
func (s *Server) Addr() net.Addr { return s.socket.Addr() }

// Serve serves until ctx is done, lets requests under way end, and writes the
// state a last time.
func (s *Server) Serve(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	server := &http.Server{
		Handler:     Handler(s.registry, time.Now, s.o.Token),
		ReadTimeout: slowest, WriteTimeout: slowest, IdleTimeout: idle, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	var beside sync.WaitGroup
	beside.Go(func() { s.tend(ctx) })
	beside.Go(func() {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if server.Shutdown(ending) != nil {
			_ = server.Close() // whoever is that slow is cut off
		}
	})
	err := server.Serve(s.socket)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	end() // also when the socket failed
	beside.Wait()
	return errors.Join(err, s.save())
}

// tend lets hosts expire and keeps the state, until ctx is done.
func (s *Server) tend(ctx context.Context) {
	sweep, keep := time.NewTicker(sweepEvery), time.NewTicker(saveEvery)
	defer sweep.Stop()
	defer keep.Stop()
	for {
		select {
		case now := <-sweep.C:
			s.registry.Expire(now)
		case <-keep.C:
			s.told(s.save())
		case <-ctx.Done():
			return
		}
	}
}

// told logs when the state cannot be kept any more, and when it can again.
func (s *Server) told(err error) {
	if failing := err != nil; failing != s.failing {
		s.failing = failing
		if failing {
			s.o.Log.Error("the state is not kept", "file", s.o.State, "error", err)
		} else {
			s.o.Log.Info("the state is kept again", "file", s.o.State)
		}
	}
}

func (s *Server) save() error {
	changes := s.registry.Changes()
	if s.o.State == "" || changes == s.saved {
		return nil
	}
	if err := s.registry.Save(s.o.State); err != nil {
		return err
	}
	s.saved = changes
	return nil
}
