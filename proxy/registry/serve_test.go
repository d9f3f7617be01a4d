package registry

import (
	"context"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve runs a server until stop is called.
func serve(t *testing.T, o ServerOptions) (url string, stop func()) {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	return "http://" + s.Addr().String(), func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
}

func TestAServerGoesOnWithItsState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registry.json")
	b := &bench{T: t}
	var stop func()
	b.url, stop = serve(t, ServerOptions{State: file})
	b.want(200, "", "POST", "/v1/registration/shop", checkIn+tags)
	b.want(204, "", "POST", "/v1/loadbalancing/shop", "load_balancing_weight=9")
	b.want(200, "ready", "GET", "/ready", "")
	stop()
	b.url, stop = serve(t, ServerOptions{State: file})
	b.want(200, `"load_balancing_weight":9`, "GET", "/v1/registration/shop", "")
	b.want(200, "", "POST", "/v1/registration/shop", checkIn+tags)
	b.want(200, `"load_balancing_weight":9`, "GET", "/v1/registration/shop", "")
	stop()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// After a long time without a registry nobody has checked in, and nobody could.
func TestHostsOfAStateGetAWholeTTL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registry.json")
	long := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := New(Options{})
	if err := r.Register(long, registration("10.0.0.7:80")); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(file); err != nil {
		t.Fatal(err)
	}
	now := long.Add(48 * time.Hour)
	again := New(Options{})
	if n, err := again.Restore(now, file); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n := again.Expire(now.Add(DefaultTTL - 1)); n != 0 {
		t.Error("it expired before its TTL")
	}
	if n := again.Expire(now.Add(DefaultTTL)); n != 1 {
		t.Error("it did not expire")
	}
}

func registration(address string) Registration {
	ip, port, _ := parsePlace(address)
	return Registration{Service: "shop", Address: netip.AddrPortFrom(ip, port)}
}

func TestAStateThatCannotBeReadIsSaid(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"{": "is not a registry's", `{"version": 2}`: "is not a registry's (version 2",
		`{"version":1,"hosts":[{"ip_address":"x"}]}`: "ParseAddr",
	} {
		file := filepath.Join(dir, "state")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(ServerOptions{Listen: "127.0.0.1:0", State: file}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if n, err := New(Options{}).Restore(time.Now(), filepath.Join(dir, "none")); n != 0 || err != nil {
		t.Errorf("without a file: %d, %v", n, err)
	}
	if err := New(Options{}).Save(filepath.Join(dir, "no", "such", "folder")); err == nil {
		t.Error("written to nowhere")
	}
}

func TestOffLoopbackATokenMustBeThere(t *testing.T) {
	if _, err := Open(ServerOptions{Listen: ":0"}); err == nil || !strings.Contains(err.Error(), "give a token") {
		t.Errorf("%v", err)
	}
}
