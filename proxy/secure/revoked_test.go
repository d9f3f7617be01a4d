package secure

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testca"
)

// turned is why a client is turned away, "" when it is not.
func turned(t *testing.T, s *Server, ca *testca.CA, client testca.Pair) string {
	t.Helper()
	m := meet(t, s, &tls.Config{ServerName: "web.test", RootCAs: ca.Pool, Certificates: []tls.Certificate{client.TLS}})
	if f, ok := errors.AsType[*Failure](m.err); ok {
		return f.Reason()
	}
	return ""
}

func believing(ca *testca.CA, crl string) func(*config.ListenerTLS) {
	return func(l *config.ListenerTLS) {
		l.Client.Mode, l.Client.CA, l.Client.CRL = config.ClientRequire, ca.File, crl
	}
}

func TestRevokedClientsAreTurnedAway(t *testing.T) {
	ca := testca.New(t)
	web, good, bad := ca.Issue("web", testca.Year(), "web.test"), ca.Issue("good", testca.Year(), "good.test"), ca.Issue("bad", testca.Year(), "bad.test")
	crl := ca.Revoke("crl.pem", testca.Year(), bad)
	w, told := watcher()
	s := server(t, w, believing(ca, crl), web)
	if why := turned(t, s, ca, good); why != "" {
		t.Errorf("a good client is turned away: %s", why)
	}
	if why := turned(t, s, ca, bad); why != Revoked {
		t.Errorf("a revoked client is turned away for %q", why)
	}

	ca.Revoke("crl.pem", testca.Year(), good)
	if !w.Look() {
		t.Error("the new list is not read")
	}
	if a, b := turned(t, s, ca, good), turned(t, s, ca, bad); a != Revoked || b != "" {
		t.Errorf("with the new list: %q, %q", a, b)
	}

	if err := os.WriteFile(crl, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.Look()
	}
	if why := turned(t, s, ca, good); why != Revoked || len(told.named(event.EventCertFailed)) != 1 {
		t.Errorf("with a broken list: %q, told %+v", why, told.all)
	}

	ca.Revoke("crl.pem", time.Now().Add(-time.Hour))
	w.Look()
	if why := turned(t, s, ca, bad); why != RevocationUnknown {
		t.Errorf("with a list that has run out: %q", why)
	}
}

// A session that began before its certificate was revoked is not resumed.
func TestRevokedSessionsAreNotResumed(t *testing.T) {
	ca := testca.New(t)
	web, client := ca.Issue("web", testca.Year(), "web.test"), ca.Issue("client", testca.Year(), "client.test")
	crl := ca.Revoke("crl.pem", testca.Year())
	w, _ := watcher()
	s := server(t, w, believing(ca, crl), web)
	c := &tls.Config{ServerName: "web.test", RootCAs: ca.Pool, Certificates: []tls.Certificate{client.TLS}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for range 2 {
		if m := meet(t, s, c); m.err != nil {
			t.Fatal(m.err)
		}
	}
	ca.Revoke("crl.pem", testca.Year(), client)
	w.Look()
	if f, ok := errors.AsType[*Failure](meet(t, s, c).err); !ok || f.Reason() != Revoked {
		t.Errorf("it is resumed: %v", f)
	}
}

func TestListsThatCannotBeUsed(t *testing.T) {
	ca, stranger := testca.New(t), testca.New(t)
	web := ca.Issue("web", testca.Year(), "web.test")
	w, _ := watcher()
	for name, c := range map[string]struct{ file, want string }{
		"of a stranger": {stranger.Revoke("crl.pem", testca.Year()), "cannot be used"},
		"no list":       {ca.File, "malformed"},
		"no file":       {ca.File + ".none", "no such file"},
	} {
		l := config.NewListenerTLS()
		l.Certificates = []config.Certificate{{Cert: web.Cert, Key: web.Key}}
		believing(ca, c.file)(l)
		if _, err := NewServer("web", l, config.ForwardCert{}, nil, w); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A list may be in DER, and several in one file of PEM.
func TestFormsOfLists(t *testing.T) {
	ca := testca.New(t)
	web, one, two := ca.Issue("web", testca.Year(), "web.test"), ca.Issue("one", testca.Year(), "one.test"), ca.Issue("two", testca.Year(), "two.test")
	read := func(file string) []byte {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first, second := read(ca.Revoke("a.pem", testca.Year(), one)), read(ca.Revoke("b.pem", testca.Year(), two))
	block, _ := pem.Decode(first)
	for name, c := range map[string]struct {
		file     []byte
		one, two string
	}{
		"DER": {block.Bytes, Revoked, ""},
		"two": {append(first, second...), Revoked, Revoked},
	} {
		file := t.TempDir() + "/crl"
		if err := os.WriteFile(file, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		w, _ := watcher()
		s := server(t, w, believing(ca, file), web)
		if a, b := turned(t, s, ca, one), turned(t, s, ca, two); a != c.one || b != c.two {
			t.Errorf("%s: %q and %q", name, a, b)
		}
	}
}
