package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// group is numbers of one thing: a listener, a cluster, a sink.
type group struct {
	kind, name string
	stats      []upstream.Stat
}

// groups are all numbers there are.
func (s *Server) groups() []group {
	all := []group{{"pitot", "", []upstream.Stat{
		{Name: "exchanges_seen", Value: s.o.Hub.Seen()},
		{Name: "decode_failures", Value: s.o.DecodeFailures()},
		{Name: "uptime_seconds", Value: uint64(time.Since(s.since).Seconds()), Gauge: true},
	}}}
	for _, l := range s.o.Listeners() {
		all = append(all, group{"listener", l.Name, l.Stats})
	}
	if s.o.Capture != nil {
		for _, l := range s.o.Capture() {
			all = append(all, group{"capture", l.Name, l.Stats})
		}
	}
	if s.o.Logs != nil {
		for _, l := range s.o.Logs() {
			all = append(all, group{"access_log", l.Name, l.Stats})
		}
	}
	if s.o.Limits != nil {
		for _, l := range s.o.Limits() {
			all = append(all, group{l.Kind, l.Name, l.Stats})
		}
	}
	for _, c := range s.o.Clusters() {
		all = append(all, group{"cluster", c.Name(), c.Stats()})
	}
	for _, sub := range s.o.Hub.Subscriptions() {
		all = append(all, group{"subscription", sub.Name, []upstream.Stat{
			{Name: "taken", Value: sub.Taken()}, {Name: "dropped", Value: sub.Dropped()},
		}})
	}
	if s.o.Sinks == nil {
		return all
	}
	for _, k := range s.o.Sinks() {
		all = append(all, group{"sink", k.Name, []upstream.Stat{
			{Name: "taken", Value: k.Taken}, {Name: "written", Value: k.Written}, {Name: "dropped", Value: k.Dropped},
			{Name: "failed", Value: k.Failed}, {Name: "retried", Value: k.Retried},
		}})
	}
	return all
}

// stat is one number under its full name.
type stat struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

func (s *Server) flat(keep *regexp.Regexp) (all []stat) {
	for _, g := range s.groups() {
		prefix := g.kind + "."
		if g.name != "" {
			prefix += g.name + "."
		}
		for _, n := range g.stats {
			if name := prefix + n.Name; keep == nil || keep.MatchString(name) {
				all = append(all, stat{name, n.Value})
			}
		}
	}
	return all
}

func (s *Server) stats(w http.ResponseWriter, r *http.Request) {
	var keep *regexp.Regexp
	if text := r.FormValue("filter"); text != "" {
		var err error
		if keep, err = regexp.Compile(text); err != nil {
			http.Error(w, fmt.Sprintf("filter: %v", err), http.StatusBadRequest)
			return
		}
	}
	all := s.flat(keep)
	if r.FormValue("format") == "json" {
		writeJSON(w, map[string][]stat{"stats": all})
		return
	}
	plain(w)
	for _, n := range all {
		fmt.Fprintf(w, "%s: %d\n", n.Name, n.Value)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails only when the client has gone
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	plain(w)
	if s.o.Draining() {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "DRAINING")
		return
	}
	fmt.Fprintln(w, "LIVE")
}

func (s *Server) config(w http.ResponseWriter, _ *http.Request) {
	text, err := s.o.Config()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(text) // fails only when the client has gone
}

func byName(stats []upstream.Stat) map[string]uint64 {
	m := make(map[string]uint64, len(stats))
	for _, n := range stats {
		m[n.Name] = n.Value
	}
	return m
}

// sorted are the names of numbers in their order.
func sorted(stats map[string]uint64) []string { return slices.Sorted(maps.Keys(stats)) }
