package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"
)

// h2spec checks a server of HTTP/2 against RFC 9113 and RFC 7541, section by
// section. pitot's listener passes all of it.
func TestH2SpecFindsNothingInCleartext(t *testing.T) {
	p := start(t, fmt.Sprintf(`
listeners:
  - name: h2
    address: 127.0.0.1:0
    protocol: http
    http_versions: ["2"]
    cluster: origin
clusters:
  - name: origin
    endpoints: [%s]
admin: {address: 127.0.0.1:0}
`, origin(t)))
	runH2Spec(t, p.at("h2"))
}

func TestH2SpecFindsNothingOverTLS(t *testing.T) {
	ca := newAuthority(t)
	p := start(t, fmt.Sprintf(`
listeners:
  - name: h2
    address: 127.0.0.1:0
    protocol: http
    cluster: origin
    tls:
      certificates:
        - {cert: %s, key: %s}
clusters:
  - name: origin
    endpoints: [%s]
admin: {address: 127.0.0.1:0}
`, ca.cert("localhost"), ca.key("localhost"), origin(t)))
	runH2Spec(t, p.at("h2"), "--tls", "--insecure")
}

// origin answers every request with a few bytes, after it has read it.
func origin(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 4096)
		for {
			if _, err := r.Body.Read(buf); err != nil {
				break
			}
		}
		fmt.Fprintln(w, "hello from the origin")
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func runH2Spec(t *testing.T, address string, args ...string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	all := append([]string{"tool", "h2spec", "--strict", "-h", host, "-p", port, "-o", "5"}, args...)
	out, err := exec.CommandContext(ctx, "go", all...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Log(tail(string(out), 3))
}
