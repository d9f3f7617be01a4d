// Package discovery asks others who belongs to a cluster: a file, name servers, a
// registry. Whatever goes wrong there, what was known before stays.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Source is somebody who can be asked.
type Source interface {
	// Fetch asks once. It may wait until ctx ends. One goroutine calls it.
	Fetch(ctx context.Context) (Answer, error)
}

// Answer is who belongs to a cluster.
type Answer struct {
	Endpoints []upstream.Endpoint
	Idle      bool          // nothing was asked, as nothing can be new; the rest has no meaning
	Same      bool          // they are those of the answer before; Endpoints has no meaning
	TTL       time.Duration // for which the answer holds; 0 where nobody said
	Reports   []Report      // how busy hosts say they are
}

// Report is how busy a host says it is.
type Report struct {
	Address string
	Load    upstream.Load
}

// errRejected says that an answer came and cannot be used.
var errRejected = errors.New("cannot be used")

// New makes the source that a cluster's configuration names.
func New(c *config.Discovery) (Source, error) {
	switch c.Type {
	case config.ByFile:
		return &file{path: c.Path}, nil
	case config.ByDNS:
		return newStrict(c)
	case config.ByLogicalDNS:
		return newLogical(c)
	case config.BySRV:
		return &srv{name: c.Name, names: newNames(c)}, nil
	case config.ByRegistry:
		return &registry{url: registryURL(c), token: c.Token, client: &http.Client{Transport: newTransport()}}, nil
	}
	return nil, fmt.Errorf("discovery of type %q is unknown", c.Type)
}
