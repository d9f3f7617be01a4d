package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client speaks with a registry.
type Client struct {
	URL   string // as http://127.0.0.1:9700
	Token string // sent as a bearer token; empty for none
	HTTP  *http.Client
}

// maxSaid bounds what is taken of a registry's words about a refusal, in bytes.
const maxSaid = 1 << 10

// Register checks a host in.
func (c *Client) Register(ctx context.Context, in Registration) error {
	f := url.Values{"ip": {in.Address.Addr().String()}, "port": {strconv.Itoa(int(in.Address.Port()))},
		"revision": {in.Revision}, "service_repo_name": {in.Repo}}
	if len(in.Tags) > 0 {
		b, err := json.Marshal(in.Tags)
		if err != nil {
			return fmt.Errorf("registry: tags: %w", err)
		}
		f.Set("tags", string(b))
	}
	if l := in.Load; l != nil {
		for name, v := range map[string]float64{"cpu": l.CPU, "memory": l.Memory, "utilization": l.Utilization, "qps": l.QPS, "eps": l.EPS} {
			f.Set("load."+name, strconv.FormatFloat(v, 'g', -1, 64))
		}
	}
	_, err := c.do(ctx, http.MethodPost, "/v1/registration/"+url.PathEscape(in.Service), f.Encode())
	return err
}

// Deregister takes a host away.
func (c *Client) Deregister(ctx context.Context, service string, a netip.AddrPort) error {
	_, err := c.do(ctx, http.MethodDelete, "/v1/registration/"+url.PathEscape(service)+"/"+a.String(), "")
	return err
}

// Table is the registry's hosts of a service for a person, or all services
// where service is empty.
func (c *Client) Table(ctx context.Context, service string) (string, error) {
	path := "/v1/registration"
	if service != "" {
		path += "/" + url.PathEscape(service)
	}
	b, err := c.do(ctx, http.MethodGet, path+"?format=text", "")
	return string(b), err
}

func (c *Client) do(ctx context.Context, method, path, form string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.URL, "/")+path, strings.NewReader(form))
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if c.Token != "" {
		q.Header.Set("Authorization", "Bearer "+c.Token)
	}
	a, err := c.HTTP.Do(q)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	defer a.Body.Close()
	limit := int64(maxState)
	if a.StatusCode/100 != 2 {
		limit = maxSaid
	}
	b, err := io.ReadAll(io.LimitReader(a.Body, limit))
	if a.StatusCode/100 != 2 {
		return nil, fmt.Errorf("registry: %s says %s: %s", c.URL, a.Status, strings.TrimSpace(string(b)))
	}
	return b, err
}

// Announcement is a host that is to be known as long as it runs.
type Announcement struct {
	Registration
	Every time.Duration         // between check-ins; 30 s by default, well below the TTL
	Load  func() (*Load, error) // how busy it is; nil tells nothing
	Log   *slog.Logger
}

// DefaultEvery is how often a host checks in.
const DefaultEvery = 30 * time.Second

// leave is how long a check-in or taking leave may take.
const leave = 5 * time.Second

// Announce checks a host in again and again until ctx is done, then takes it
// away. It fails when the first check-in does; what comes later is logged.
func (c *Client) Announce(ctx context.Context, a Announcement) error {
	failing := c.checkIn(ctx, &a)
	if failing != nil {
		return failing
	}
	a.Log.Info("registered", "service", a.Service, "address", a.Address.String(), "registry", c.URL)
	tick := time.NewTicker(cmp.Or(max(0, a.Every), DefaultEvery))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			failing = a.told(failing, c.checkIn(ctx, &a))
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), leave)
			defer cancel()
			return c.Deregister(ending, a.Service, a.Address)
		}
	}
}

// checkIn tells of the host once. It is not broken off by ctx: a check-in that
// arrives after the leave would have the host stay.
func (c *Client) checkIn(ctx context.Context, a *Announcement) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leave)
	defer cancel()
	in := a.Registration
	var busy error
	if a.Load != nil {
		in.Load, busy = a.Load()
	}
	return errors.Join(busy, c.Register(ctx, in))
}

// told logs when check-ins begin and cease to fail.
func (a *Announcement) told(before, now error) error {
	switch {
	case now != nil && before == nil:
		a.Log.Warn("cannot check in; goes on trying", "error", now)
	case now == nil && before != nil:
		a.Log.Info("checks in again")
	}
	return now
}
