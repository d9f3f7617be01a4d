package secure

import (
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/testca"
	"github.com/pitot-io/pitot/proxy/socket"
)

// towards makes the client's side.
func towards(t *testing.T, w *Watcher, change func(*config.ClusterTLS)) *Client {
	t.Helper()
	c := config.NewClusterTLS()
	change(c)
	l, err := NewClient("db", c, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestServersAreVerified(t *testing.T) {
	ca, stranger := testca.New(t), testca.New(t)
	w, _ := watcher()
	good := ca.Issue("good", testca.Year(), "db.test", "spiffe://db")
	for name, c := range map[string]struct {
		change func(*config.ClusterTLS)
		server testca.Pair
		want   string
	}{
		"by the endpoint's name": {func(*config.ClusterTLS) {}, good, ""},
		"by another name":        {func(c *config.ClusterTLS) { c.SNI = "pay.test" }, good, WrongName},
		"by a match": {func(c *config.ClusterTLS) {
			c.SNI, c.Match = "pay.test", []config.SANMatch{{Type: "uri", Exact: "spiffe://db"}}
		}, good, ""},
		"by no match":            {func(c *config.ClusterTLS) { c.Match = []config.SANMatch{{Type: "uri", Exact: "spiffe://x"}} }, good, SANMismatch},
		"a match of a stranger":  {func(c *config.ClusterTLS) { c.Match = []config.SANMatch{{Type: "dns", Exact: "db.test"}} }, stranger.Issue("s", testca.Year(), "db.test"), UnknownAuthority},
		"expired":                {func(*config.ClusterTLS) {}, ca.Issue("old", time.Now().Add(-time.Hour), "db.test"), CertificateExpired},
		"expired, by a match":    {func(c *config.ClusterTLS) { c.Match = []config.SANMatch{{Type: "dns", Exact: "db.test"}} }, ca.Issue("old2", time.Now().Add(-time.Hour), "db.test"), CertificateExpired},
		"stranger":               {func(*config.ClusterTLS) {}, stranger.Issue("s2", testca.Year(), "db.test"), UnknownAuthority},
		"stranger, not verified": {func(c *config.ClusterTLS) { c.Insecure, c.CA = true, "" }, stranger.Issue("s3", testca.Year(), "x.test"), ""},
		"by the system's":        {func(c *config.ClusterTLS) { c.CA = "" }, good, UnknownAuthority},
	} {
		t.Run(name, func(t *testing.T) {
			l := towards(t, w, func(x *config.ClusterTLS) { x.CA = ca.File; c.change(x) })
			for range 2 {
				ours, theirs := sockets(t)
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = tls.Server(ours, &tls.Config{Certificates: []tls.Certificate{c.server.TLS}}).Handshake() // may fail
				}()
				_, err := l.Secure(t.Context(), theirs, "db.test:1")
				<-done
				got := ""
				if f, ok := errors.AsType[*Failure](err); ok {
					got = f.Reason()
				}
				if got != c.want {
					t.Errorf("%v: %q, want %q", err, got, c.want)
				}
			}
		})
	}
}

// Sessions are resumed with the server that gave them, until the certificate of
// ours or the authorities change; both sides count it.
func TestSessionsAreResumed(t *testing.T) {
	ca := testca.New(t)
	w, _ := watcher()
	own := ca.Issue("own", testca.Year(), "client.test")
	one, two := ca.Issue("one", testca.Year(), "db.test"), ca.Issue("two", testca.Year(), "db.test")
	for _, version := range []string{"1.2", "1.3"} {
		mtls := func(l *config.ListenerTLS) {
			l.MaxVersion, l.Client.Mode, l.Client.CA = version, config.ClientRequire, ca.File
		}
		servers := map[string]*Server{"a:1": server(t, w, mtls, one), "b:1": server(t, w, mtls, two)}
		l := towards(t, w, func(c *config.ClusterTLS) { c.CA, c.SNI, c.Cert, c.Key = ca.File, "db.test", own.Cert, own.Key })
		resumed := func(endpoint string) bool {
			ours, theirs := sockets(t)
			var n *Session
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				var s *socket.Stream
				if s, n, err = servers[endpoint].Handshake(ours); err == nil {
					_, _ = s.Write([]byte("x"))
				}
			}()
			s, err2 := l.Secure(t.Context(), theirs, endpoint)
			if err2 == nil {
				_, err2 = s.Read(make([]byte, 1))
			}
			<-done
			if err != nil || err2 != nil {
				t.Fatalf("%v, %v", err, err2)
			}
			if len(n.State.PeerCertificates) != 1 {
				t.Error("the client's certificate is not known")
			}
			return n.State.DidResume
		}
		for i, want := range []bool{false, true, true} {
			for _, endpoint := range []string{"a:1", "b:1"} {
				if got := resumed(endpoint); got != want {
					t.Errorf("TLS %s, time %d, %s: resumed %v", version, i, endpoint, got)
				}
			}
		}
		if n := l.stats.sessionReused.Load(); n != 4 || servers["a:1"].stats.sessionReused.Load() != 2 {
			t.Errorf("%d reused", n)
		}
		own = ca.Issue("own", testca.Year(), "client.test")
		if !w.Look() || resumed("a:1") {
			t.Error("resumed with an old certificate")
		}
	}
}
