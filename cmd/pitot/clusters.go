package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/status"
)

// statusEvery is how often a screen has the clusters told.
const statusEvery = time.Second

// maxStatus bounds what is read of a proxy's clusters, in bytes.
const maxStatus = 256 << 20

// lookout keeps what was told last of a proxy's clusters.
type lookout struct {
	last atomic.Pointer[status.Clusters]
	ask  func(context.Context) (*status.Clusters, error)
}

// clusters is what was told last; nil before.
func (l *lookout) clusters() *status.Clusters { return l.last.Load() }

// run asks until ctx is done. What is not answered leaves what is known: the
// screen says by itself that contact is lost.
func (l *lookout) run(ctx context.Context) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		if c, err := l.ask(ctx); err == nil {
			l.last.Store(c)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// status reads the clusters of the admin that is attached to.
func (a *attachment) status(ctx context.Context) (*status.Clusters, error) {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	at := url.URL{Scheme: "http", Host: a.address, Path: "/clusters", RawQuery: "format=json"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/clusters: %s", resp.Status)
	}
	all := new(status.Clusters)
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxStatus)).Decode(all); err != nil {
		return nil, fmt.Errorf("/clusters: %w", err)
	}
	return all, nil
}
