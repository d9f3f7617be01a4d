package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// every is one pitot with a listener for each way that clients come and a
// route to each way that servers are spoken to: /h1, /h2, /h1s and /h2s.
// What fits none of these goes to gRPC's test server.
type every struct {
	*program
	ca *authority
}

// listeners, clusters and rest are further lines of the configuration.
func startEvery(t *testing.T, listeners, clusters, rest string) *every {
	t.Helper()
	ca := newAuthority(t)
	plain, secure := servers(t, ca)
	return &every{start(t, fmt.Sprintf(`
listeners:
  - name: plain
    address: 127.0.0.1:0
    protocol: http
    cluster: grpc
    routes: &routes
      - {match: {prefix: /h1}, cluster: h1}
      - {match: {prefix: /h2}, cluster: h2}
      - {match: {prefix: /h1s}, cluster: h1s}
      - {match: {prefix: /h2s}, cluster: h2s}
      - {match: {prefix: /echo}, cluster: ws}
  - name: secure
    address: 127.0.0.1:0
    protocol: http
    cluster: grpc
    routes: *routes
    tls:
      certificates:
        - {cert: %s, key: %s}
%sclusters:
  - {name: h1, idle_timeout: 1s, endpoints: [%s]}
  - {name: h2, idle_timeout: 1s, endpoints: [%s], protocol: http2}
  - {name: h1s, idle_timeout: 1s, endpoints: [%s], tls: {sni: origin.test, ca: %s}}
  - {name: grpc, idle_timeout: 1s, endpoints: [%s], protocol: http2}
  - {name: ws, endpoints: [%s]}
  - {name: h2s, idle_timeout: 1s, endpoints: [%s], protocol: http2, tls: {sni: origin.test, ca: %s}}
%sadmin: {address: 127.0.0.1:0}
%s`, ca.cert("shop.test"), ca.key("shop.test"), listeners, plain, plain, secure, ca.file, namedServers(t, 1)[0], webSocketEcho(t), secure, ca.file, clusters, rest)), ca}
}

// pairs calls f for every way to come and to go on.
func (e *every) pairs(t *testing.T, f func(t *testing.T, c *http.Client, base string)) {
	for _, listener := range []string{"plain", "secure"} {
		for _, version := range []int{1, 2} {
			for _, cluster := range []string{"h1", "h2", "h1s", "h2s"} {
				t.Run(fmt.Sprintf("%s HTTP%d to %s", listener, version, cluster), func(t *testing.T) {
					c, base := e.client(t, listener, version)
					f(t, c, base+"/"+cluster)
				})
			}
		}
	}
}

// client speaks one version of HTTP with a listener. base is the URL before
// the path.
func (e *every) client(t *testing.T, listener string, version int) (c *http.Client, base string) {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(version == 1)
	p.SetHTTP2(version == 2)
	p.SetUnencryptedHTTP2(version == 2)
	transport := &http.Transport{
		Protocols: &p, TLSClientConfig: &tls.Config{RootCAs: e.ca.roots(), ServerName: "shop.test"}, MaxIdleConnsPerHost: 100,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, e.at(listener))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	base = "http://shop.test"
	if listener == "secure" {
		base = "https://shop.test"
	}
	return &http.Client{Transport: transport, Timeout: 5 * time.Minute}, base
}

// servers are a Go server in cleartext and one with TLS. Both speak HTTP/1.1
// and HTTP/2, and have GET .../bytes/N, PUT .../sum, and GET .../slow/DURATION.
func servers(t *testing.T, ca *authority) (plain, secure string) {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: http.HandlerFunc(serveBytes), Protocols: &p,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{ca.pair("origin.test")}}}
	return serve(t, s.Serve, s), serve(t, func(l net.Listener) error { return s.ServeTLS(l, "", "") }, s)
}

func serve(t *testing.T, run func(net.Listener) error, s *http.Server) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = run(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return l.Addr().String()
}

var wanted = regexp.MustCompile(`^/[^/]+/(bytes|sum|slow|trailers|page|part|file)(?:/(\w+))?$`)

func serveBytes(w http.ResponseWriter, r *http.Request) {
	m := wanted.FindStringSubmatch(r.URL.Path)
	if m == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("X-Spoken", r.Proto)
	switch m[1] {
	case "bytes":
		n, _ := strconv.ParseInt(m[2], 10, 64)
		_, _ = io.CopyN(w, zeros{}, n) // the client may have gone
	case "file": // one that can be resumed
		http.ServeContent(w, r, "file.bin", time.Unix(1700000000, 0), strings.NewReader(strings.Repeat("0123456789", 100000)))
	case "page":
		servePage(w)
	case "part":
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprintf(w, "loaded(%q)", m[2])
	case "sum":
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%d %s", n, hex.EncodeToString(h.Sum(nil)))
	case "slow":
		d, _ := time.ParseDuration(m[2])
		select {
		case <-time.After(d):
			fmt.Fprint(w, "late")
		case <-r.Context().Done():
		}
	case "trailers":
		w.Header().Set("Trailer", "X-Sum")
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "body")
		w.Header().Set("X-Sum", fmt.Sprint(n, " ", r.Trailer.Get("X-From")))
	}
}

// zeros is a reader that does not end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most memory that pitot has had, in MiB.
func (p *program) peak(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	m := highWater.FindSubmatch(b)
	if err != nil || m == nil {
		t.Skipf("this system does not tell a process's memory: %v", err)
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return kib >> 10
}

// descriptors is how many files pitot has open.
func (p *program) descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("this system does not tell a process's files: %v", err)
	}
	return len(all)
}

var goroutineCount = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)

// goroutines is how many pitot has.
func (p *program) goroutines(t *testing.T) int {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	r, err := http.NewRequest(http.MethodGet, "http://"+p.at("admin")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	m := goroutineCount.FindStringSubmatch(text(t, c, r))
	if m == nil {
		t.Fatal("/metrics does not count goroutines")
	}
	n, _ := strconv.Atoi(m[1])
	return n
}
