// Package demo is `pitot demo`: a shop of a few real processes under load, with every hop through pitot.
//
//	load -> pitot -> shop -> pitot -> orders (two endpoints, one slower) -> pitot -> MongoDB
//
// The services are ordinary Go programs that know nothing of pitot: they serve HTTP, pass the trace context on and
// comment their queries, each query in one of the forms that teams use. Their faults are ordinary too: a page that
// asks for its products one by one (N+1), a payment taken twice, a command the server does not know, a missing cart.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	shutdownTimeout = 3 * time.Second  // for requests under way when a service is told to stop
	callTimeout     = 10 * time.Second // of one request between services
	connectTimeout  = 3 * time.Second  // of one connection to MongoDB; a try that hangs is made again
	selectTimeout   = 40 * time.Second // for MongoDB to be found: several such tries, and the driver's pause of 10 s between them
	maxBody         = 1 << 20          // bytes of any body read
)

// serve answers HTTP on address until ctx ends, then finishes the requests under way.
func serve(ctx context.Context, address string, h http.Handler) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("demo: listen on %s: %w", address, err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: callTimeout, IdleTimeout: time.Minute}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("demo: serve on %s: %w", address, err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := s.Shutdown(late); !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return s.Close() // a connection opened and not yet used counts as busy for 5 s; nobody waits on it
	})
	return g.Wait()
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone when this fails, and nobody is left to tell
}

// refuse answers with an error's text.
func refuse(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]string{"error": err.Error()})
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]bool{"ok": true})
}

// pause waits about d, more or less by a third, or until ctx ends.
func pause(ctx context.Context, d time.Duration, r float64) {
	t := time.NewTimer(d*2/3 + time.Duration(r*float64(d)*2/3))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
