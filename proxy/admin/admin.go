// Package admin is the operator's port: state, statistics, metrics and live
// traffic over HTTP. What only reads is asked for with GET; what changes
// something, with POST, and told as an event.
package admin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// SinkStats count the exchanges that went to one sink.
type SinkStats struct {
	Name                                     string
	Taken, Written, Dropped, Failed, Retried uint64
}

// Listener is one listener's name and numbers.
type Listener struct {
	Name, Address string
	Stats         []upstream.Stat
}

// Group is numbers of one thing: under Kind.Name. in /stats, or Kind. where it
// has no name, and pitot_Kind_ with a label in /metrics.
type Group struct {
	Kind, Name string
	Stats      []upstream.Stat
}

// Options say what there is to show. All functions must be there, but Sinks,
// Capture, Certificates and Standing.
type Options struct {
	Hub            *tap.Hub
	Listeners      func() []Listener
	Clusters       func() []*upstream.Cluster
	Sinks          func() []SinkStats
	Capture        func() []Listener                        // of a live capture, where there is one: interfaces and their numbers
	Logs           func() []Listener                        // access logs and their numbers; may be nil
	Limits         func() []Group                           // rate limits and their numbers; may be nil
	Certificates   func(now time.Time) []secure.Certificate // may be nil
	Standing       func(now time.Time) []event.Notice       // events of what is wrong now, for who comes late; may be nil
	DecodeFailures func() uint64
	Config         func() ([]byte, error) // YAML, without secrets
	Draining       func() bool
	Faults         func(listener, route, text string) (said string, err error) // changes faults, as YAML; may be nil
	Fail           func(on bool)                                               // health checks of the listeners; nil where there are none
	Token          string                                                      // asked for when there is one
	Log            *slog.Logger
	Level          *slog.LevelVar // of Log; nil where it cannot be changed
}

// Server is the operator's port.
type Server struct {
	o       Options
	socket  net.Listener
	http    http.Server
	metrics *metrics
	since   time.Time
	ctx     context.Context // ends the taps
	end     context.CancelFunc
}

// New makes a server on a socket that is bound already.
func New(socket net.Listener, o Options) *Server {
	s := &Server{o: o, socket: socket, since: time.Now()}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.metrics = newMetrics(s)
	s.http = http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// page is one path and what it is for.
type page struct {
	path, what string
	serve      http.HandlerFunc
}

// pages lists everything that is served.
func (s *Server) pages() []page {
	return []page{
		{"/ready", "200 LIVE, or 503 DRAINING", s.ready},
		{"/stats", "numbers as name: value; format=json, filter=REGEXP", s.stats},
		{"/metrics", "the same for Prometheus, with rate, errors and durations by service and operation", s.metrics.serve},
		{"/clusters", "clusters and their endpoints: health, weight, latency, counters; format=json", s.clusters},
		{"/config", "the configuration in effect, as YAML, without secrets", s.config},
		{"/certs", "certificates in use, as JSON: path, who uses them, names, serial, from when and until when", s.certs},
		{"/tap", "exchanges as they end, as JSON Lines; filter=EXPRESSION, protocol=, service=, status=, min_duration=, path=, call_site=, events=true, limit=N, for=DURATION; format=pcapng for the bytes of proxied connections, with client=, server=, listener=, for=", s.tap},
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, p := range s.pages() {
		mux.HandleFunc("GET "+p.path, p.serve)
	}
	for _, c := range s.changes() {
		mux.HandleFunc("POST "+c.path, s.serveChange(c))
		mux.HandleFunc("GET "+c.path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "this changes something: ask with POST, as curl -X POST 'http://"+r.Host+r.URL.RequestURI()+"'", http.StatusMethodNotAllowed)
		})
	}
	mux.HandleFunc("GET /{$}", s.index)
	return http.NewCrossOriginProtection().Handler(mux) // a web page is not to change anything
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	plain(w)
	fmt.Fprintln(w, "pitot admin; these are read with GET")
	for _, p := range s.pages() {
		fmt.Fprintf(w, "%-10s %s\n", p.path, p.what)
	}
	fmt.Fprintln(w, "\nThese change something, with POST. Each change is an event, and none outlives a restart.")
	for _, c := range s.changes() {
		fmt.Fprintf(w, "%-17s %s\n", c.path, c.what)
	}
}

func plain(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/plain; charset=utf-8") }

// guard lets in who has the token; without one, who names this machine by
// address, so that a web page cannot read through a name of its own that it
// points here.
func (s *Server) guard(next http.Handler) http.Handler {
	want := []byte("Bearer " + s.o.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.o.Token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "this needs the header Authorization: Bearer TOKEN, with admin.token of the configuration", http.StatusUnauthorized)
		case s.o.Token == "" && !byAddress(r.Host):
			http.Error(w, "ask by address or as localhost", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func byAddress(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost"
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.socket.Addr() }

// Listener is the socket that the server was made with.
func (s *Server) Listener() net.Listener { return s.socket }

// Run serves until ctx is done; taps end with it. It returns when every
// request has ended.
func (s *Server) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.metrics.run(s.ctx) })
	wg.Go(func() {
		if err := s.http.Serve(s.socket); !errors.Is(err, http.ErrServerClosed) {
			s.o.Log.Error("admin ended", "error", err)
		}
	})
	<-ctx.Done()
	s.end()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if s.http.Shutdown(grace) != nil {
		_ = s.http.Close() // whoever did not take the end in time
	}
	wg.Wait()
}

// Close frees the socket of a server that does not run.
func (s *Server) Close() {
	s.end()
	_ = s.socket.Close()
}
