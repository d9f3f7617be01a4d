package secure

import (
	"context"
	"crypto/tls"
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
