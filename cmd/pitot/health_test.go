package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/status"
	"github.com/pitot-io/pitot/internal/testkit"
)

// graceful runs `pitot args...` as a process of its own, and returns what has
// it end in order.
func graceful(t *testing.T, ready string, args ...string) (stop func()) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("pitot: %v: %s", err, said.String())
		}
	})
	t.Cleanup(stop)
	holdsSoon(t, "an answer of "+ready, func() bool {
		a, err := http.Get(ready)
		if err != nil {
			return false
		}
		a.Body.Close()
		return a.StatusCode == 200
	})
	return stop
}

// holdsSoon waits until something holds that nothing tells of.
func holdsSoon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, late := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// hostFlags are the flags of a host as /clusters tells them.
func hostFlags(t *testing.T, admin, address string) []string {
	t.Helper()
	a, err := http.Get("http://" + admin + "/clusters?format=json")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	var all status.Clusters
	if err := json.NewDecoder(a.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all.Clusters {
		for _, h := range c.Hosts {
			if h.Address == address {
				return h.Flags
			}
		}
	}
	t.Fatalf("/clusters does not tell of %s", address)
	return nil
}

// One of two hosts dies under load: once that is known, clients notice nothing,
// and operators see it in /clusters and among the events.
func TestAHostDiesUnderLoad(t *testing.T) {
	host := func(name string) (*httptest.Server, string) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
		t.Cleanup(s.Close)
		return s, strings.TrimPrefix(s.URL, "http://")
	}
	mortal, one := host("one")
	_, two := host("two")
	listen, admin, dir := testkit.FreePort(t), testkit.FreePort(t), t.TempDir()
	config, told := filepath.Join(dir, "pitot.yaml"), filepath.Join(dir, "told.jsonl")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
listeners: [{address: %q, protocol: http, cluster: web}]
clusters:
- name: web
  endpoints: [%q, %q]
  health_checks: [{interval: 20ms, no_traffic_interval: 20ms, unhealthy_threshold: 2, http: {path: /healthz}}]
  outlier_detection: {}
admin: {address: %q}
store: {dsn: none}
sinks: {json: {file: %q}}
`, listen, one, two, admin, told), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := graceful(t, "http://"+admin+"/ready", "proxy", "-c", config)
	got := make(chan int, 1000)
	ctx, enough := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() { statuses(ctx, t, "http://"+listen+"/", got) })
	}
	next := func(times int) (bad int) {
		t.Helper()
		for range times {
			select {
			case s := <-got:
				if s != http.StatusOK {
					bad++
				}
			case <-time.After(20 * time.Second):
				t.Fatal("no answers")
			}
		}
		return bad
	}
	if bad := next(50); bad > 0 {
		t.Errorf("%d of 50 failed while both were well", bad)
	}
	mortal.CloseClientConnections()
	mortal.Close()
	holdsSoon(t, "a failed check in /clusters", func() bool {
		next(1)
		return slices.Contains(hostFlags(t, admin, one), "failed_active_hc")
	})
	next(len(got) + 8) // what was under way
	if bad := next(100); bad > 0 {
		t.Errorf("%d of 100 failed after one was known to be dead", bad)
	}
	if flags := hostFlags(t, admin, two); len(flags) > 0 {
		t.Errorf("the other one: %v", flags)
	}
	enough()
	load.Wait()
	stop()
	states := map[string][]string{}
	b, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range testkit.Lines(string(b)) {
		_, n, err := event.ParseJSON([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if n == nil || n.Name != event.EventHostHealth {
			continue
		}
		tags := map[string]string{}
		for _, a := range n.Attributes {
			tags[a.Key] = a.Value
		}
		states[tags[event.AttrPeerAddress]] = append(states[tags[event.AttrPeerAddress]], tags[event.AttrHealthState])
	}
	if fmt.Sprint(states[one], states[two]) != "[healthy unhealthy] [healthy]" {
		t.Errorf("told of health: %v", states)
	}
}
