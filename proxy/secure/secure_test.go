package secure

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testca"
	"github.com/pitot-io/pitot/proxy/socket"
)

const patience = 10 * time.Second

// notices collects what a watcher tells.
type notices struct {
	mu      sync.Mutex
	all     []event.Notice
	renewed chan struct{} // gets one for each renewal
}

func (n *notices) tell(x *event.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all = append(n.all, *x); x.Name == event.EventCertReloaded {
		n.renewed <- struct{}{}
	}
}

func (n *notices) named(name string) (all []event.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, x := range n.all {
		if x.Name == name {
			all = append(all, x)
		}
	}
	return all
}

func watcher() (*Watcher, *notices) {
	n := &notices{renewed: make(chan struct{}, 16)}
	return NewWatcher(WatcherOptions{Log: slog.New(slog.DiscardHandler), Tell: n.tell}), n
}

// server makes the server's side; change may be nil.
func server(t *testing.T, w *Watcher, change func(*config.ListenerTLS), pairs ...testca.Pair) *Server {
	t.Helper()
	c := config.NewListenerTLS()
	for _, p := range pairs {
		c.Certificates = append(c.Certificates, config.Certificate{Cert: p.Cert, Key: p.Key})
	}
	if change != nil {
		change(c)
	}
	return forwarding(t, w, c, config.ForwardCert{Mode: config.Sanitize})
}

func forwarding(t *testing.T, w *Watcher, c *config.ListenerTLS, f config.ForwardCert) *Server {
	t.Helper()
	s, err := NewServer("web", c, f, nil, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// sockets are the two ends of a connection.
func sockets(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []net.Conn{a, c} {
		t.Cleanup(func() { n.Close() })
		_ = n.SetDeadline(time.Now().Add(patience))
	}
	return a.(*net.TCPConn), c.(*net.TCPConn)
}

// met is how a handshake went on both sides.
type met struct {
	stream    *socket.Stream
	session   *Session
	err       error
	client    *tls.Conn
	clientErr error
}

// meet has a client of crypto/tls shake hands with s, and read one byte, with
// which new sessions come along.
func meet(t *testing.T, s *Server, c *tls.Config) (m met) {
	t.Helper()
	ours, theirs := sockets(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.client = tls.Client(theirs, c)
		if m.clientErr = m.client.Handshake(); m.clientErr == nil {
			_, m.clientErr = m.client.Read(make([]byte, 1))
		}
		if m.clientErr != nil {
			theirs.Close()
		}
	}()
	if m.stream, m.session, m.err = s.Handshake(ours); m.err == nil {
		_, _ = m.stream.Write([]byte("x")) // the client may have gone
	} else {
		ours.Close()
	}
	<-done
	return m
}

func shown(t *testing.T, m met) string {
	t.Helper()
	if m.err != nil || m.clientErr != nil {
		t.Fatalf("handshake: %v, client: %v", m.err, m.clientErr)
	}
	return m.client.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificatesAreChosenByName(t *testing.T) {
	ca := testca.New(t)
	w, _ := watcher()
	year := testca.Year()
	s := server(t, w, nil, ca.Issue("default", year, "default.test"), ca.Issue("shop", year, "shop.test", "*.shop.test"), ca.Issue("exact", year, "pay.shop.test"))
	for name, want := range map[string]string{
		"shop.test": "shop.test", "SHOP.test": "shop.test", "a.shop.test": "shop.test", "pay.shop.test": "pay.shop.test",
		"b.a.shop.test": "default.test", "unknown.test": "default.test", "": "default.test",
	} {
		if got := shown(t, meet(t, s, &tls.Config{ServerName: name, InsecureSkipVerify: true})); got != want {
			t.Errorf("%q gets %s, want %s", name, got, want)
		}
	}
}

func TestReloadKeepsWhatWorks(t *testing.T) {
	ca := testca.New(t)
	w, told := watcher()
	first := ca.Issue("web", testca.Year(), "web.test")
	s := server(t, w, nil, first)
	client := &tls.Config{ServerName: "web.test", RootCAs: ca.Pool}
	serialOf := func() string {
		return meet(t, s, client).client.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serialOf()
	if w.Look() {
		t.Error("something new without a change")
	}
	ca.Issue("web", testca.Year(), "web.test")
	if !w.Look() || serialOf() == before || len(told.named(event.EventCertReloaded)) != 1 {
		t.Errorf("not renewed: %+v", told.all)
	}
	now := serialOf()
	if err := os.WriteFile(first.Key, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 4 { // the first time may be amid a renewal; told once after it
		if w.Look() {
			t.Error("a broken file is in use")
		}
	}
	failed := told.named(event.EventCertFailed)
	if serialOf() != now || len(failed) != 1 || !strings.Contains(failed[0].Body, first.Key) {
		t.Errorf("told %+v", failed)
	}
	if c := w.Certificates(time.Now()); len(c) != 1 || c[0].Failure == "" || c[0].SANs[0] != "web.test" || c[0].UsedBy != `listener "web"` || c[0].DaysLeft < 364 {
		t.Errorf("certificates %+v", c)
	}
	if s := w.Standing(time.Now()); len(s) != 1 || s[0].Name != event.EventCertFailed {
		t.Errorf("standing %+v", s)
	}
	ca.Issue("web", testca.Year(), "web.test")
	if !w.Look() || serialOf() == now || w.Certificates(time.Now())[0].Failure != "" {
		t.Error("not mended")
	}
}

func TestRunRenewsAndReminds(t *testing.T) {
	ca := testca.New(t)
	w, told := watcher()
	server(t, w, nil, ca.Issue("web", time.Now().Add(100*time.Hour), "web.test"), ca.Issue("old", time.Now().Add(-time.Hour), "old.test"), ca.Issue("good", testca.Year(), "good.test"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	ca.Issue("web", testca.Year(), "web.test")
	select {
	case <-told.renewed:
	case <-time.After(patience):
		t.Fatal("not renewed")
	}
	cancel()
	<-done
	soon := told.named(event.EventCertExpiring)
	if len(soon) < 2 || !strings.Contains(soon[0].Body, "expires in 4 days") || !strings.Contains(soon[1].Body, "has expired") {
		t.Errorf("told %+v", soon)
	}
	if slices.ContainsFunc(soon, func(n event.Notice) bool { return strings.Contains(n.Body, "good.test") }) {
		t.Error("a good certificate is told of")
	}
}

func TestClientsAreAskedForCertificates(t *testing.T) {
	ca, stranger := testca.New(t), testca.New(t)
	web := ca.Issue("web", testca.Year(), "web.test")
	good := ca.Issue("good", testca.Year(), "a.shop.test", "spiffe://shop/a", "a@shop.test", "10.0.0.1")
	other := ca.Issue("other", testca.Year(), "b.test")
	old := ca.Issue("old", time.Now().Add(-time.Hour), "a.shop.test")
	strange := stranger.Issue("strange", testca.Year(), "a.shop.test")
	hash := sha256.Sum256(good.TLS.Leaf.Raw)
	spki := sha256.Sum256(good.TLS.Leaf.RawSubjectPublicKeyInfo)
	match := func(m config.SANMatch) func(*config.ClientCerts) {
		return func(c *config.ClientCerts) { c.CA, c.Match = ca.File, []config.SANMatch{m} }
	}
	trust := func(c *config.ClientCerts) { c.CA = ca.File }
	for name, c := range map[string]struct {
		mode   string
		set    func(*config.ClientCerts)
		client *testca.Pair
		want   string // reason
	}{
		"none wanted":        {config.ClientNone, nil, nil, ""},
		"requested, none":    {config.ClientRequest, trust, nil, ""},
		"requested, good":    {config.ClientRequest, trust, &good, ""},
		"requested, strange": {config.ClientRequest, trust, &strange, UnknownAuthority},
		"required, none":     {config.ClientRequire, trust, nil, NoClientCert},
		"required, good":     {config.ClientRequire, trust, &good, ""},
		"required, old":      {config.ClientRequire, trust, &old, CertificateExpired},
		"required, strange":  {config.ClientRequire, trust, &strange, UnknownAuthority},
		"dns suffix":         {config.ClientRequire, match(config.SANMatch{Type: "dns", Suffix: ".SHOP.test"}), &good, ""},
		"dns suffix, other":  {config.ClientRequire, match(config.SANMatch{Type: "dns", Suffix: ".shop.test"}), &other, SANMismatch},
		"uri prefix":         {config.ClientRequire, match(config.SANMatch{Type: "uri", Prefix: "spiffe://shop/"}), &good, ""},
		"uri regex":          {config.ClientRequire, match(config.SANMatch{Type: "uri", Regex: "spiffe://shop/[a-c]"}), &good, ""},
		"uri regex is whole": {config.ClientRequire, match(config.SANMatch{Type: "uri", Regex: "spiffe://shop"}), &good, SANMismatch},
		"email":              {config.ClientRequire, match(config.SANMatch{Type: "email", Exact: "a@shop.test"}), &good, ""},
		"ip":                 {config.ClientRequire, match(config.SANMatch{Type: "ip", Exact: "::ffff:10.0.0.1"}), &good, ""},
		"ip, other":          {config.ClientRequire, match(config.SANMatch{Type: "ip", Exact: "10.0.0.2"}), &good, SANMismatch},
		"pinned":             {config.ClientRequire, func(c *config.ClientCerts) { c.SHA256 = []string{hex.EncodeToString(hash[:])} }, &good, ""},
		"pinned key":         {config.ClientRequire, func(c *config.ClientCerts) { c.SPKI = []string{base64.StdEncoding.EncodeToString(spki[:])} }, &good, ""},
		"pinned, other":      {config.ClientRequest, func(c *config.ClientCerts) { c.SHA256 = []string{hex.EncodeToString(hash[:])} }, &other, PinMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := watcher()
			s := server(t, w, func(l *config.ListenerTLS) {
				l.Client.Mode = c.mode
				if c.set != nil {
					c.set(&l.Client)
				}
			}, web)
			client := &tls.Config{ServerName: "web.test", RootCAs: ca.Pool, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			if c.client != nil {
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.client.TLS, nil }
			}
			for range 2 { // the second time may be a session that is resumed
				m := meet(t, s, client)
				got := ""
				if f, ok := errors.AsType[*Failure](m.err); ok {
					got = f.Reason()
				}
				if got != c.want || (m.clientErr == nil) != (c.want == "") {
					t.Fatalf("%v (%q, want %q), client: %v", m.err, got, c.want, m.clientErr)
				}
			}
			failures := s.stats.connectionError.Load()
			if c.want != "" && failures != 2 || c.want == "" && s.stats.handshake.Load() != 2 {
				t.Errorf("stats %+v", s.stats.All())
			}
		})
	}
}

func TestHandshakesThatFail(t *testing.T) {
	ca := testca.New(t)
	web := ca.Issue("web", testca.Year(), "web.test")
	w, _ := watcher()
	strict := func(l *config.ListenerTLS) {
		l.MinVersion, l.MaxHandshakes, l.ALPN = "1.3", 1, []string{"h2"}
	}
	patient := server(t, w, strict, web)
	s := server(t, w, func(l *config.ListenerTLS) { strict(l); l.HandshakeTimeout = 500 * time.Millisecond }, web)
	reason := func(s *Server, f func(*net.TCPConn)) (string, *Session) {
		ours, theirs := sockets(t)
		done := make(chan struct{})
		go func() { defer close(done); f(theirs) }()
		_, n, err := s.Handshake(ours)
		ours.Close()
		<-done
		return err.(*Failure).Reason(), n
	}
	with := func(c *tls.Config) func(*net.TCPConn) {
		c.ServerName = "web.test"
		return func(n *net.TCPConn) { _ = tls.Client(n, c).Handshake() }
	}
	for want, f := range map[string]func(*net.TCPConn){
		NotTLS:                  func(n *net.TCPConn) { _, _ = n.Write([]byte("GET / HTTP/1.1\r\n\r\n")); _, _ = io.Copy(io.Discard, n) },
		Closed:                  func(n *net.TCPConn) { n.Close() },
		NoSharedVersion:         with(&tls.Config{MaxVersion: tls.VersionTLS12}),
		NoSharedProtocol:        with(&tls.Config{NextProtos: []string{"smtp"}}),
		"alert_bad_certificate": with(&tls.Config{}),
	} {
		if got, _ := reason(patient, f); got != want {
			t.Errorf("reason %q, want %q", got, want)
		}
	}
	slow := func(n *net.TCPConn) { _, _ = n.Write([]byte{22, 3, 1}); _, _ = io.Copy(io.Discard, n) }
	if got, _ := reason(s, slow); got != Timeout {
		t.Errorf("reason %q", got)
	}
	s.slots <- struct{}{}
	if got, n := reason(s, with(&tls.Config{RootCAs: ca.Pool})); got != Busy || n.ServerName() != "web.test" {
		t.Errorf("reason %q, server name %q", got, n.ServerName())
	}
}

func TestForwardedClientCert(t *testing.T) {
	ca := testca.New(t)
	web := ca.Issue("web", testca.Year(), "web.test", "spiffe://web")
	client := ca.Issue("client", testca.Year(), "a.test", "spiffe://a", "b.test")
	w, _ := watcher()
	for mode, want := range map[string][2]string{ // with a certificate, without
		config.Sanitize:          {"", ""},
		config.ForwardOnly:       {"By=x", ""},
		config.AppendForward:     {"By=x,NEW", ""},
		config.SanitizeSet:       {"NEW", ""},
		config.AlwaysForwardOnly: {"By=x", "By=x"},
	} {
		l := config.NewListenerTLS()
		l.Certificates = []config.Certificate{{Cert: web.Cert, Key: web.Key}}
		l.Client.Mode, l.Client.CA = config.ClientRequest, ca.File
		s := forwarding(t, w, l, config.ForwardCert{Mode: mode, Details: []string{"subject", "uri", "dns", "cert"}})
		hash := sha256.Sum256(client.TLS.Leaf.Raw)
		text := "By=spiffe://web;Hash=" + hex.EncodeToString(hash[:]) + `;Cert="-----BEGIN%20CERTIFICATE-----%0A`
		for i, c := range []*tls.Config{{Certificates: []tls.Certificate{client.TLS}}, {}} {
			c.ServerName, c.RootCAs, c.ClientSessionCache = "web.test", ca.Pool, tls.NewLRUClientSessionCache(1)
			for range 2 {
				m := meet(t, s, c)
				shown(t, m)
				keep, own := Of(m.stream).Forwarded(mode)
				got := own
				if keep {
					got = strings.TrimSuffix("By=x,"+own, ",")
				}
				before, rest, made := strings.Cut(got, text)
				if made {
					if !strings.HasSuffix(rest, `";Subject="CN=a.test,O=pitot";URI=spiffe://a;DNS=a.test;DNS=b.test`) {
						t.Errorf("%s: %s", mode, got)
					}
					got = before + "NEW"
				}
				if got != want[i] {
					t.Errorf("%s: %q, want %q", mode, got, want[i])
				}
			}
		}
	}
	var none *Session
	if keep, own := none.Forwarded(config.AppendForward); keep || own != "" {
		t.Errorf("without TLS %v %q", keep, own)
	}
}

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

func TestKeyLogIsWritten(t *testing.T) {
	ca := testca.New(t)
	w, _ := watcher()
	file := t.TempDir() + "/keys"
	s := server(t, w, func(l *config.ListenerTLS) { l.KeyLog = file }, ca.Issue("web", testca.Year(), "web.test"))
	shown(t, meet(t, s, &tls.Config{ServerName: "web.test", RootCAs: ca.Pool}))
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), "CLIENT_TRAFFIC_SECRET_0 ") {
		t.Errorf("%q, %v", b, err)
	}
	if i, _ := os.Stat(file); i.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", i.Mode())
	}
}

// A server or a client that is closed leaves nothing to look at, and what it
// has begun goes on.
func TestClosedServersAreForgotten(t *testing.T) {
	ca := testca.New(t)
	w, told := watcher()
	web := ca.Issue("web", testca.Year(), "web.test")
	keys := func(l *config.ListenerTLS) { l.KeyLog = t.TempDir() + "/keys" }
	first, second := server(t, w, keys, web), server(t, w, nil, web)
	l := towards(t, w, func(c *config.ClusterTLS) { c.CA, c.Cert, c.Key = ca.File, web.Cert, web.Key })
	if n := len(w.Certificates(time.Now())); n != 4 {
		t.Errorf("%d certificates", n)
	}
	shown(t, meet(t, first, &tls.Config{InsecureSkipVerify: true}))
	first.Close()
	l.Close()
	shown(t, meet(t, first, &tls.Config{InsecureSkipVerify: true}))
	if n := len(w.Certificates(time.Now())); n != 1 {
		t.Errorf("%d certificates", n)
	}
	ca.Issue("web", testca.Year(), "web.test")
	if !w.Look() || len(told.named(event.EventCertReloaded)) != 1 {
		t.Errorf("told %+v", told.all)
	}
	second.Follow(first)
	shown(t, meet(t, second, &tls.Config{InsecureSkipVerify: true}))
	if n := second.Stats().handshake.Load(); n != 3 {
		t.Errorf("counted %d", n)
	}
}
