package registry

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestAnAnnouncedHostIsKnownWhileItRuns(t *testing.T) {
	b := newBench(t, Options{})
	c := &Client{URL: b.url + "/", HTTP: http.DefaultClient}
	beats := make(chan struct{}, 100)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.Announce(ctx, Announcement{
			Registration: Registration{Service: "shop", Address: netip.MustParseAddrPort("10.0.0.7:80"), Revision: "r1", Repo: "shop-repo", Tags: Tags{TagZone: "eu-1a", TagWeight: 7.0}},
			Every:        time.Millisecond, Log: slog.New(slog.DiscardHandler),
			Load: func() (*Load, error) { beats <- struct{}{}; return &Load{CPU: 0.5, QPS: 3}, nil },
		})
	}()
	for range 3 {
		<-beats
	}
	h := b.list("shop").Hosts[0]
	if h.IP != "10.0.0.7" || h.Revision != "r1" || h.Repo != "shop-repo" || h.Tags[TagZone] != "eu-1a" || h.Tags.Weight() != 7 || h.Load == nil || *h.Load != (Load{CPU: 0.5, QPS: 3}) {
		t.Errorf("%+v", h)
	}
	text, err := c.Table(t.Context(), "shop")
	if err != nil || !strings.Contains(text, "10.0.0.7:80  7") {
		t.Errorf("%s %v", text, err)
	}
	stop()
	for running := true; running; {
		select {
		case err := <-done:
			if running = false; err != nil {
				t.Error(err)
			}
		case <-beats:
		}
	}
	if n := b.r.Size(); n != 0 {
		t.Errorf("%d hosts after it has left", n)
	}
}

func TestWhatARegistryRefusesIsSaid(t *testing.T) {
	b := newBench(t, Options{})
	c := &Client{URL: b.url, HTTP: http.DefaultClient}
	err := c.Announce(t.Context(), Announcement{Registration: Registration{Service: "a b", Address: netip.MustParseAddrPort("10.0.0.7:80")}})
	if err == nil || !strings.Contains(err.Error(), `400 Bad Request: service "a b" is not valid`) {
		t.Errorf("%v", err)
	}
}

func TestHowBusyAMachineIs(t *testing.T) {
	var m Machine
	for _, step := range []struct {
		stat string
		want float64
	}{
		{"cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 1 1 1\n", 0.2},
		{"cpu  40 10 10 120 20 0 0 0 0 0\n", 0.4}, // 40 of 100 since
		{"cpu  40 10 10 120 20 0 0 0 0 0\n", 0},
	} {
		if got, err := m.processors(step.stat); err != nil || math.Abs(got-step.want) > 1e-9 {
			t.Errorf("%q: %v, %v", step.stat, got, err)
		}
	}
	for _, bad := range []string{"", "cpu 1 2", "cpu a b c d e f g h", "intr 1 2 3 4 5 6 7 8"} {
		if _, err := m.processors(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if got, err := memoryUsed("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable:  250 kB\n"); err != nil || got != 0.75 {
		t.Errorf("memory %v, %v", got, err)
	}
	if _, err := memoryUsed("nothing"); err == nil {
		t.Error("no memory is taken")
	}
}
