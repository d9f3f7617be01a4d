package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Client is the client's side of TLS towards one cluster.
type Client struct {
	c        *config.ClusterTLS
	identity *identity
	keylog   *keyLog
	files    *Watcher
	stats    Stats

	mu          sync.Mutex // guards what settings are made of
	authorities *x509.CertPool
	own         *tls.Certificate
	current     atomic.Pointer[settings]
}

var _ upstream.TLS = (*Client)(nil)

// settings are in use until a file changes; sessions are not resumed beyond.
type settings struct {
	base     *tls.Config
	sessions tls.ClientSessionCache
	mu       sync.Mutex
	by       map[string]*tls.Config // endpoint
}

// NewClient reads the files of a cluster, and lets w read them again. Close it.
func NewClient(cluster string, c *config.ClusterTLS, w *Watcher) (*Client, error) {
	l := &Client{c: c, files: w}
	if err := l.open(fmt.Sprintf("cluster %q", cluster), w); err != nil {
		l.Close()
		return nil, fmt.Errorf("cluster %q: tls: %w", cluster, err)
	}
	return l, nil
}

func (l *Client) open(user string, w *Watcher) (err error) {
	if l.keylog, err = openKeyLog(l.c.KeyLog); err != nil {
		return err
	}
	if l.identity, err = newIdentity(l.c.Match, l.c.SPKI, l.c.SHA256); err != nil {
		return err
	}
	if l.c.CA != "" {
		if err := w.add(l, user, []string{l.c.CA}, l.readAuthorities); err != nil {
			return err
		}
	}
	if l.c.Cert != "" {
		if err := w.add(l, user, []string{l.c.Cert, l.c.Key}, l.readPair); err != nil {
			return err
		}
	}
	l.renew(func() {})
	return nil
}

func (l *Client) readAuthorities() ([]*Leaf, error) {
	pool, all, err := loadBundle(l.c.CA)
	if err == nil {
		l.renew(func() { l.authorities = pool })
	}
	return all, err
}

func (l *Client) readPair() ([]*Leaf, error) {
	p, err := loadPair(l.c.Cert, l.c.Key)
	if err != nil {
		return nil, err
	}
	l.renew(func() { l.own = p })
	return []*Leaf{{File: l.c.Cert, Cert: p.Leaf}}, nil
}

// renew puts a change into use.
func (l *Client) renew(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	c := &tls.Config{RootCAs: l.authorities, NextProtos: l.c.ALPN, InsecureSkipVerify: l.c.Insecure, VerifyConnection: l.verify}
	protect(c, l.c.MinVersion, l.c.MaxVersion, l.c.Ciphers, l.keylog)
	if l.own != nil {
		c.Certificates = []tls.Certificate{*l.own}
	}
	if len(l.c.Match) > 0 && !l.c.Insecure { // names of its own: verified below, with the same authorities
		authorities := l.authorities
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(s tls.ConnectionState) error { return l.verifyChain(s, authorities) }
	}
	s := &settings{base: c, by: map[string]*tls.Config{}}
	if l.c.Sessions > 0 {
		s.sessions = tls.NewLRUClientSessionCache(l.c.Sessions)
	}
	l.current.Store(s)
}

func (l *Client) verify(s tls.ConnectionState) error { return l.identity.check(s.PeerCertificates[0]) }

// verifyChain verifies a server whose name is not that of the endpoint.
func (l *Client) verifyChain(s tls.ConnectionState, authorities *x509.CertPool) error {
	o := x509.VerifyOptions{Roots: authorities, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := s.PeerCertificates[0].Verify(o); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	return l.verify(s)
}

// of are the settings for one endpoint, made when it is dialled first.
func (s *settings) of(endpoint, name string) *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.by[endpoint]; c != nil {
		return c
	}
	c := s.base.Clone()
	if c.ServerName = name; name == "" {
		c.ServerName, _, _ = net.SplitHostPort(endpoint) // a Unix socket has none, which the configuration minds
	}
	if s.sessions != nil {
		c.ClientSessionCache = sessions{s.sessions, endpoint}
	}
	s.by[endpoint] = c
	return c
}

// sessions keeps those of endpoints apart that go by one name.
type sessions struct {
	tls.ClientSessionCache
	endpoint string
}

func (s sessions) Get(key string) (*tls.ClientSessionState, bool) {
	return s.ClientSessionCache.Get(s.endpoint + " " + key)
}

func (s sessions) Put(key string, c *tls.ClientSessionState) {
	s.ClientSessionCache.Put(s.endpoint+" "+key, c)
}

// Secure makes a session over a socket to an endpoint.
func (l *Client) Secure(ctx context.Context, c socket.Conn, endpoint string) (*socket.Stream, error) {
	t := tls.Client(socket.Over(c), l.current.Load().of(endpoint, l.c.SNI))
	if err := t.HandshakeContext(ctx); err != nil {
		f := failed(err)
		l.stats.failed(f)
		return nil, f
	}
	state := t.ConnectionState()
	l.stats.succeeded(&state)
	return socket.Secured(t, c), nil
}

// Stats are the numbers of the cluster's sessions.
func (l *Client) Stats() []upstream.Stat { return l.stats.All() }

// Close frees what the client holds open.
func (l *Client) Close() {
	l.files.drop(l)
	l.keylog.close()
}
