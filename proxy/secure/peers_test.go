package secure

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/testca"
)

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
				keep, own := sessionOf(m.stream.Link()).Forwarded(mode)
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
