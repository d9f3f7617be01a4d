package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// change is something that an operator may change by POST while traffic flows.
// Nothing of it is kept: a restart, and a new configuration of the cluster, go
// by the file.
type change struct {
	path, what string
	takes      []string // parameters, those that must be there first
	must       int
	do         func(q url.Values) (said string, err error)
}

// changes lists everything that can be changed.
func (s *Server) changes() []change {
	endpoint := []string{"cluster", "endpoint"}
	all := []change{
		{"/drain", "take an endpoint out: it gets no new exchanges; cluster=, endpoint=", endpoint, 2, s.host(drain)},
		{"/undrain", "take it back in; cluster=, endpoint=", endpoint, 2, s.host(undrain)},
		{"/eject", "take an endpoint out for a while, as outlier detection does; cluster=, endpoint=, for=30s", append(endpoint, "for"), 2, s.host(eject)},
		{"/uneject", "end an ejection, whoever decided it; cluster=, endpoint=", endpoint, 2, s.host(uneject)},
		{"/weight", "change an endpoint's weight; cluster=, endpoint=, value=", append(endpoint, "value"), 3, s.host(weight)},
		{"/log_level", "change what the log tells; level=debug, info, warn or error", []string{"level"}, 1, s.logLevel},
	}
	if s.o.Faults != nil {
		all = append(all, change{"/fault", "have faults be injected in the place of the configured ones, or none; listener=, faults=[{delay: {fixed: 1s}, abort: {status: 503, percent: 10%}}], route=",
			[]string{"listener", "faults", "route"}, 2, func(q url.Values) (string, error) {
				return s.o.Faults(q.Get("listener"), q.Get("route"), q.Get("faults"))
			}})
	}
	if s.o.Fail != nil {
		all = append(all,
			change{"/healthcheck/fail", "have health checks of the listeners fail, so that balancers before this proxy send it no more", nil, 0, s.failing(true)},
			change{"/healthcheck/ok", "have them succeed again", nil, 0, s.failing(false)})
	}
	return all
}

// serveChange carries c out, answers what it did, and tells of it as an event.
func (s *Server) serveChange(c change) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error()+"; a form's values are escaped, as curl --data-urlencode does it", http.StatusBadRequest)
			return
		}
		said, err := c.carry(r.Form)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.o.Log.Info("changed by an operator", "by", r.RemoteAddr, "what", said)
		s.tell(c, r, said)
		plain(w)
		fmt.Fprintln(w, said)
	}
}

// carry looks at the parameters and carries c out.
func (c *change) carry(q url.Values) (string, error) {
	for name := range q {
		if !slices.Contains(c.takes, name) {
			return "", fmt.Errorf("%q: %s takes %s", name, c.path, strings.Join(c.takes, ", "))
		}
	}
	for _, name := range c.takes[:c.must] {
		if q.Get(name) == "" {
			return "", fmt.Errorf("%s is missing: %s takes %s", name, c.path, strings.Join(c.takes, ", "))
		}
	}
	return c.do(q)
}

func (s *Server) tell(c change, r *http.Request, said string) {
	n := event.Notice{Time: time.Now().UnixNano(), Name: event.EventChanged, Body: said}
	n.Attributes = append(n.Attributes, event.KeyValue{Key: "change", Value: strings.TrimPrefix(c.path, "/")}, event.KeyValue{Key: "by", Value: r.RemoteAddr})
	for key, name := range map[string]string{event.AttrCluster: "cluster", event.AttrPeerAddress: "endpoint"} {
		if v := r.Form.Get(name); v != "" {
			n.Attributes = append(n.Attributes, event.KeyValue{Key: key, Value: v})
		}
	}
	s.o.Hub.Publisher(0).Notice(&n)
}

// host has f change the endpoint that is named.
func (s *Server) host(f func(*upstream.Host, url.Values) (string, error)) func(url.Values) (string, error) {
	return func(q url.Values) (string, error) {
		name, address := q.Get("cluster"), q.Get("endpoint")
		var names []string
		for _, c := range s.o.Clusters() {
			if names = append(names, c.Name()); c.Name() != name {
				continue
			}
			var there []string
			for _, h := range c.Hosts() {
				if there = append(there, h.Address()); h.Address() == address {
					return f(h, q)
				}
			}
			return "", fmt.Errorf("cluster %q has no endpoint %q; it has %s", name, address, strings.Join(there, ", "))
		}
		return "", fmt.Errorf("there is no cluster %q; there are %s", name, strings.Join(names, ", "))
	}
}

// of is who is changed, for answers and events.
func of(h *upstream.Host) string { return fmt.Sprintf("%s of cluster %q", h.Address(), h.Cluster()) }

func drain(h *upstream.Host, _ url.Values) (string, error) {
	if !h.Mark(upstream.Drained, true) {
		return of(h) + " is drained already", nil
	}
	return fmt.Sprintf("%s is drained; %d exchanges are under way", of(h), h.Active()), nil
}

func undrain(h *upstream.Host, _ url.Values) (string, error) {
	if !h.Mark(upstream.Drained, false) {
		return of(h) + " is not drained", nil
	}
	return of(h) + " takes exchanges again", nil
}

const defaultEjection = 30 * time.Second

func eject(h *upstream.Host, q url.Values) (string, error) {
	d := defaultEjection
	if v := q.Get("for"); v != "" {
		var err error
		if d, err = time.ParseDuration(v); err != nil || d <= 0 || d > 24*time.Hour {
			return "", fmt.Errorf("for: %q is not valid; must be a time such as 30s, up to 24h", v)
		}
	}
	h.Eject(d)
	return fmt.Sprintf("%s is ejected for %v", of(h), d), nil
}

func uneject(h *upstream.Host, _ url.Values) (string, error) {
	if !h.Return() {
		return of(h) + " is not ejected", nil
	}
	return of(h) + " is back", nil
}

func weight(h *upstream.Host, q url.Values) (string, error) {
	n, err := strconv.ParseUint(q.Get("value"), 10, 31)
	if err != nil || n == 0 {
		return "", fmt.Errorf("value: %q is not valid; must be a whole number from 1 to 2147483647; to give it nothing, drain it", q.Get("value"))
	}
	was := h.Weight()
	h.SetWeight(uint32(n))
	return fmt.Sprintf("%s has weight %d instead of %d", of(h), n, was), nil
}

func (s *Server) logLevel(q url.Values) (string, error) {
	if s.o.Level == nil {
		return "", fmt.Errorf("this pitot's log has no level that could be changed")
	}
	was := s.o.Level.Level()
	if err := s.o.Level.UnmarshalText([]byte(q.Get("level"))); err != nil {
		return "", fmt.Errorf("level: %q is not valid; must be debug, info, warn or error", q.Get("level"))
	}
	return fmt.Sprintf("the log tells %v and worse, before %v", s.o.Level.Level(), was), nil
}

// failing has the listeners' health checks fail, or fail no more.
func (s *Server) failing(on bool) func(url.Values) (string, error) {
	return func(url.Values) (string, error) {
		s.o.Fail(on)
		if on {
			return "health checks of the listeners fail", nil
		}
		return "health checks of the listeners do not fail any more", nil
	}
}
