package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testca"
)

// asking is a client that asks by name, whatever the address.
func (r *rig) asking(c *tls.Config, h2 bool) *http.Client {
	t := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: h2}
	r.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, Timeout: patience}
}

func (r *rig) url(path string) string { return "https://" + r.Addr("main").String() + path }

func get(t *testing.T, c *http.Client, url string, fields ...string) (*http.Response, string) {
	t.Helper()
	q, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		q.Header.Add(fields[i], fields[i+1])
	}
	a, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a, string(b)
}

// telling answers with what it sees of the request.
func telling(w http.ResponseWriter, q *http.Request) {
	fmt.Fprintf(w, "%s %s xfcc=%s proto=%s", q.Proto, q.URL.Path, strings.Join(q.Header.Values("X-Forwarded-Client-Cert"), "|"), q.Header.Get("X-Forwarded-Proto"))
}

func speaking(protocol string) func(*config.Config) {
	return func(c *config.Config) { c.Listeners[0].Protocol = protocol }
}

// HTTP of both versions goes over TLS on either side, or both, told or found
// out.
func TestHTTPSOnBothSides(t *testing.T) {
	ca := testca.New(t)
	front, back := ca.Issue("front", testca.Year(), "127.0.0.1"), ca.Issue("back", testca.Year(), "back.test")
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(telling))
	upstream.TLS = &tls.Config{Certificates: []tls.Certificate{back.TLS}, NextProtos: []string{"h2", "http/1.1"}}
	upstream.EnableHTTP2 = true
	var connections atomic.Int64
	upstream.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	upstream.StartTLS()
	defer upstream.Close()
	for _, protocol := range []string{config.HTTP, config.Auto} {
		for _, speaks := range []string{config.HTTP1, config.HTTP2, config.AutoHTTP} {
			r := run(t, all(speaking(protocol), terminating(nil, front), towards(ca, func(t *config.ClusterTLS) { t.SNI = "back.test" }),
				func(c *config.Config) { c.Clusters[0].Protocol = speaks }), upstream.Listener.Addr().String())
			for _, h2 := range []bool{false, true} {
				client := r.asking(&tls.Config{RootCAs: ca.Pool}, h2)
				want := "HTTP/2.0"
				if speaks == config.HTTP1 {
					want = "HTTP/1.1"
				}
				for range 3 {
					a, body := get(t, client, r.url("/x"), "X-Forwarded-Client-Cert", "Hash=forged")
					if a.StatusCode != 200 || body != want+" /x xfcc= proto=https" || a.ProtoMajor == 2 != h2 {
						t.Errorf("%s, upstream %s, h2 %v: %s %d %q", protocol, speaks, h2, a.Proto, a.StatusCode, body)
					}
				}
			}
			for range 6 {
				if x := r.nextServer(); x.HTTP == nil || x.HTTP.Scheme != "https" || x.Flags != 0 {
					t.Errorf("span %s", x.AppendJSON(nil))
				}
			}
			r.stop()
			if n := connections.Swap(0); n != 1 && speaks != config.HTTP1 {
				t.Errorf("%s, upstream %s: %d connections were made", protocol, speaks, n)
			}
		}
	}
}

// nextServer is the next exchange with a client.
func (r *rig) nextServer() event.Exchange {
	for {
		if x := r.next(); x.Kind == event.Server {
			return x
		}
	}
}

// Who asks in the clear where TLS is spoken is told so.
func TestHTTPWhereTLSIsSpoken(t *testing.T) {
	ca := testca.New(t)
	r := run(t, all(speaking(config.HTTP), terminating(nil, ca.Issue("front", testca.Year(), "127.0.0.1"))), origin(t, "shop"))
	a, err := http.Post("http://"+r.Addr("main").String()+"/", "text/plain", strings.NewReader(strings.Repeat("x", 50_000)))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if b, err := io.ReadAll(a.Body); a.StatusCode != 400 || err != nil || string(b) != "pitot: TLS is spoken here, and this was none\n" {
		t.Errorf("%d %q, %v", a.StatusCode, b, err)
	}
	if n := r.eventNamed(event.EventTLSFailed); attribute(&n, event.AttrTLSFailure) != "not_tls" {
		t.Errorf("event %+v", n)
	}
}

func TestCurlWithAnAuthority(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here")
	}
	ca := testca.New(t)
	r := run(t, all(speaking(config.HTTP), terminating(nil, ca.Issue("front", testca.Year(), "front.test"))), origin(t, "shop"))
	port := r.Addr("main").String()[strings.LastIndexByte(r.Addr("main").String(), ':'):]
	for _, version := range []string{"--http1.1", "--http2", "--no-alpn"} {
		out, err := exec.Command(curl, "-sS", "--max-time", "10", "--cacert", ca.File, version, "--tls-max", "1.2", "--resolve", "front.test"+port+":127.0.0.1", "https://front.test"+port+"/hello").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "shop") {
			t.Errorf("%s: %q, %v", version, out, err)
		}
	}
}

// Clients' certificates are verified, and servers told of them.
func TestHTTPSClientCertificates(t *testing.T) {
	ca := testca.New(t)
	front, client := ca.Issue("front", testca.Year(), "127.0.0.1", "spiffe://front"), ca.Issue("client", testca.Year(), "client.test", "spiffe://a")
	upstream := httptest.NewServer(http.HandlerFunc(telling))
	defer upstream.Close()
	r := run(t, all(speaking(config.HTTP), func(c *config.Config) {
		c.Listeners[0].ForwardCert = config.ForwardCert{Mode: config.AppendForward, Details: []string{"uri", "subject"}}
	}, terminating(func(l *config.ListenerTLS) { l.Client.Mode, l.Client.CA = config.ClientRequire, ca.File }, front)), upstream.Listener.Addr().String())
	for _, h2 := range []bool{false, true} {
		c := r.asking(&tls.Config{RootCAs: ca.Pool, Certificates: []tls.Certificate{client.TLS}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}, h2)
		_, body := get(t, c, r.url("/"), "X-Forwarded-Client-Cert", "Hash=1")
		if !strings.Contains(body, "xfcc=Hash=1,By=spiffe://front;Hash=") || !strings.Contains(body, `;Subject="CN=client.test,O=pitot";URI=spiffe://a proto=https`) {
			t.Errorf("h2 %v: %q", h2, body)
		}
		if _, err := r.asking(&tls.Config{RootCAs: ca.Pool}, h2).Get(r.url("/")); err == nil {
			t.Error("without a certificate: no error")
		}
	}
}

// A server that is not who it must be gets nothing, and the client is told why.
func TestHTTPSUpstreamIsVerified(t *testing.T) {
	ca, stranger := testca.New(t), testca.New(t)
	for want, server := range map[string]testca.Pair{
		"certificate_expired":          ca.Issue("old", time.Now().Add(-time.Hour), "127.0.0.1"),
		"certificate_for_another_name": ca.Issue("other", testca.Year(), "other.test"),
		"unknown_authority":            stranger.Issue("strange", testca.Year(), "127.0.0.1"),
	} {
		for _, speaks := range []string{config.HTTP1, config.HTTP2} {
			upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
			upstream.TLS = &tls.Config{Certificates: []tls.Certificate{server.TLS}, NextProtos: []string{"h2", "http/1.1"}}
			upstream.Config.ErrorLog = quiet()
			upstream.StartTLS()
			r := run(t, all(speaking(config.HTTP), towards(ca, nil), func(c *config.Config) { c.Clusters[0].Protocol = speaks }), upstream.Listener.Addr().String())
			a, err := http.Get("http://" + r.Addr("main").String() + "/")
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(a.Body)
			a.Body.Close()
			detail := "upstream_reset_before_response_started{connection_failure,TLS_error:" + want + "}"
			if a.StatusCode != 503 || string(body) != "pitot: "+detail+"\n" {
				t.Errorf("%d %q", a.StatusCode, body)
			}
			if x := r.nextServer(); x.Flags != event.FlagUF || x.StatusMessage != detail {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
			r.stop()
			upstream.Close()
		}
	}
}

// Certificates are replaced while requests are under way, on connections that
// are kept and on new ones, and none fails.
func TestHTTPSReloadUnderLoad(t *testing.T) {
	ca := testca.New(t)
	issue := func() testca.Pair { return ca.Issue("front", testca.Year(), "127.0.0.1") }
	r := run(t, all(speaking(config.HTTP), terminating(nil, issue())), origin(t, "shop"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	asked := make(chan struct{}, 1)
	for i := range 6 {
		c := r.asking(&tls.Config{RootCAs: ca.Pool}, i%2 == 0)
		c.Transport.(*http.Transport).DisableKeepAlives = i < 2
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, err := c.Get(r.url("/"))
				if err != nil {
					t.Error(err)
					return
				}
				if b, err := io.ReadAll(a.Body); err != nil || !strings.Contains(string(b), "shop") {
					t.Errorf("%q, %v", b, err)
				}
				a.Body.Close()
				select {
				case asked <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 8 {
		issue()
		r.files.Look()
		for range 5 {
			<-asked
		}
	}
	close(stop)
	wg.Wait()
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
