package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
)

// eachVersion runs f with a client of HTTP/1.1 and one of HTTP/2.
func eachVersion(t *testing.T, f func(t *testing.T, client func(*rig) *http.Client)) {
	t.Run("1", func(t *testing.T) { f(t, (*rig).client) })
	t.Run("2", func(t *testing.T) {
		f(t, func(r *rig) *http.Client {
			tr := &http2.Transport{AllowHTTP: true, DisableCompression: true, DialTLSContext: dialPlain}
			t.Cleanup(tr.CloseIdleConnections)
			return &http.Client{Transport: tr, Timeout: patience}
		})
	})
}

// large answers every request with that many bytes, after having read it.
func large(t *testing.T, n int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(make([]byte, n))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func faulty(t *testing.T, faults string) func(*config.Config) {
	return func(c *config.Config) {
		configured(t, "timeouts: {route: 200ms}\nfaults: "+faults)(c)
	}
}

func TestFaultsThroughTheProxy(t *testing.T) {
	eachVersion(t, func(t *testing.T, client func(*rig) *http.Client) {
		for name, tt := range map[string]struct {
			faults string
			status int // 0 for none
			bytes  int
			slow   time.Duration
			flags  event.ResponseFlags
			detail string
			cut    bool
		}{
			"delay":         {"[{delay: {fixed: 300ms}}]", 200, 100, 300 * time.Millisecond, event.FlagDI, "", false},
			"abort":         {"[{abort: {status: 418}}]", 418, -1, 0, event.FlagFI, "fault_filter_abort", false},
			"both":          {"[{delay: {fixed: 100ms}, abort: {grpc: not_found}}]", 404, -1, 100 * time.Millisecond, event.FlagDI | event.FlagFI, "fault_filter_abort", false},
			"reset":         {"[{abort: {reset: true}}]", 0, 0, 0, event.FlagFI, "fault_filter_reset", false},
			"slow answers":  {"[{response_rate: {limit: 200}}]", 200, 100, 400 * time.Millisecond, event.FlagDI, "", false},
			"slow requests": {"[{request_rate: {limit: 200}}]", 200, 100, 400 * time.Millisecond, event.FlagDI, "", false},
			"cut":           {"[{cut: {after: 60}}]", 200, 60, 0, event.FlagFI, "fault_filter_cut", true},
			"cut too late":  {"[{cut: {after: 100}}]", 200, 100, 0, 0, "", false},
			"none":          {"[{match: {clusters: [main], clients: [192.0.2.1]}, abort: {status: 503}}]", 200, 100, 0, 0, "", false},
		} {
			t.Run(name, func(t *testing.T) {
				r := run(t, faulty(t, tt.faults), large(t, 100))
				began := time.Now()
				a, err := client(r).Post("http://"+r.Addr("main").String()+"/", "text/plain", strings.NewReader(strings.Repeat("x", 100)))
				if tt.status == 0 && err == nil || tt.status != 0 && (err != nil || a.StatusCode != tt.status) {
					t.Fatalf("answer %+v, %v", a, err)
				}
				if err == nil {
					b, err := io.ReadAll(a.Body)
					a.Body.Close()
					if tt.bytes >= 0 && len(b) != tt.bytes || (err != nil) != tt.cut {
						t.Errorf("%d bytes, %v", len(b), err)
					}
				}
				if d := time.Since(began); d < tt.slow {
					t.Errorf("took %v, want %v at least", d, tt.slow)
				}
				if x := r.next(); x.Flags != tt.flags || x.StatusMessage != tt.detail {
					t.Errorf("flags %v, %q; want %v, %q", x.Flags, x.StatusMessage, tt.flags, tt.detail)
				}
				await(t, "no fault is active", func() bool { return r.listeners[0].stats.Faults.Active.Load() == 0 })
			})
		}
	})
}

// A call of gRPC is told its status in its own way.
func TestAbortedCalls(t *testing.T) {
	r := run(t, faulty(t, "[{abort: {grpc: DATA_LOSS}}]"), large(t, 1))
	a := r.ask("POST", "/shop.Cart/Get", "content-type: application/grpc")
	if a.status != 200 || a.header.Get("Grpc-Status") != "15" || a.header.Get("Grpc-Message") != "fault_filter_abort" {
		t.Errorf("%+v", a)
	}
}

// A client that leaves ends a long delay.
func TestDelaysEndWithTheClient(t *testing.T) {
	eachVersion(t, func(t *testing.T, client func(*rig) *http.Client) {
		r := run(t, faulty(t, "[{delay: {fixed: 1h}}]"), large(t, 1))
		ctx, leave := context.WithCancel(t.Context())
		q, err := http.NewRequestWithContext(ctx, "GET", "http://"+r.Addr("main").String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		over := make(chan struct{})
		go func() {
			defer close(over)
			if a, err := client(r).Do(q); err == nil {
				t.Errorf("answered %s", a.Status)
			}
		}()
		await(t, "it is delayed", func() bool { return r.listeners[0].stats.Faults.Active.Load() == 1 })
		leave()
		<-over
		if x := r.next(); x.Flags != event.FlagDC|event.FlagDI {
			t.Errorf("flags %v", x.Flags)
		}
	})
}

// What docs/operations.md tells operators to type does what it says.
func TestDocumentedFaults(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, func(c *config.Config) {
		configured(t, "routes:\n- {name: /cart, match: {prefix: /cart}, cluster: main}")(c)
		withAdmin(c)
	}, large(t, 1))
	said := ""
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "curl ") || !strings.Contains(line, "/fault") {
			continue
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(strings.TrimSpace(line), "curl ", "curl -sS ", 1)+" --noproxy '*' --connect-to ::"+r.AdminAddr().String()).CombinedOutput()
		said += string(out)
		if err != nil {
			t.Errorf("%s%v", line, err)
		}
	}
	if !strings.Contains(said, `route "/cart" has 1 faults`) || !strings.Contains(said, `route "/cart" has 0 faults`) {
		t.Errorf("said %q", said)
	}
}

// Operators change faults under open connections, whichever engine these have.
func TestFaultsCanBeChanged(t *testing.T) {
	r := run(t, func(c *config.Config) {
		configured(t, "routes:\n- {name: shop, match: {prefix: /shop}, cluster: main}")(c)
		withAdmin(c)
	}, large(t, 1))
	put := func(query, faults string) (int, string) {
		return r.change("/fault?" + query + "&faults=" + url.QueryEscape(faults))
	}
	for _, step := range []struct {
		query, faults, said string
		shop, rest          int
	}{
		{"listener=main", "[]", `listener "main" has 0 faults`, 200, 200},
		{"listener=main&route=shop", "[{abort: {status: 501}}]", `listener "main", route "shop" has 1 faults`, 501, 200},
		{"listener=main", "[{abort: {status: 502}}]", `listener "main" has 1 faults`, 501, 502},
		{"listener=main&route=shop", "[]", `has 0 faults`, 200, 502},
		{"listener=main", "[{abort: {status: 5020}}]", `faults[0].abort.status: 5020 is not valid`, 200, 502},
		{"listener=man", "[]", `there is no listener "man"`, 200, 502},
		{"listener=main&route=shp", "[]", `there is no listener "main", route "shp"`, 200, 502},
		{"listener=main", "[]", `has 0 faults`, 200, 200},
	} {
		if _, said := put(step.query, step.faults); !strings.Contains(said, step.said) {
			t.Errorf("%s %s: %s", step.query, step.faults, said)
		}
		for path, want := range map[string]int{"/shop/1": step.shop, "/": step.rest} {
			if a := r.ask("GET", path); a.status != want {
				t.Errorf("after %s %s: %s gives %d, want %d", step.query, step.faults, path, a.status, want)
			}
		}
	}
	put("listener=main", "[{response_rate: {limit: 1MiB}}]")
	for range 3 {
		if a := r.ask("GET", "/"); a.status != 200 {
			t.Errorf("slowed down: %+v", a)
		}
	}
	await(t, "no fault is active", func() bool { return r.listeners[0].stats.Faults.Active.Load() == 0 })
	if x := r.notice(event.EventFault); !strings.Contains(x.Body, `fault 0 of listener "main", route "shop" is injected`) {
		t.Errorf("told %q", x.Body)
	}
	if _, all := r.get("/stats"); !strings.Contains(all, "listener.main.faults.aborts_injected: 7\n") {
		t.Errorf("numbers:\n%s", all)
	}
}

// Only who is trusted gets the faults that he asks for.
func TestFaultsAskedFor(t *testing.T) {
	for from, want := range map[string]int{"127.0.0.0/8": 404, "192.0.2.0/24": 200} {
		r := run(t, faulty(t, "[{headers: true, trusted: ["+from+"]}]"), large(t, 1))
		if a := r.ask("GET", "/", "x-envoy-fault-abort-request: 404"); a.status != want {
			t.Errorf("from %s: %d, want %d", from, a.status, want)
		}
	}
}

func dialPlain(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, addr)
}
