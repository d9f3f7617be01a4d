package secure

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// store holds the certificates of a listener.
type store struct {
	mu    sync.Mutex // held by who replaces one
	pairs []*tls.Certificate
	index atomic.Pointer[index]
}

// index finds certificates by name.
type index struct {
	all   []*tls.Certificate            // in the order of the configuration; the first is the default
	exact map[string][]*tls.Certificate // by DNS name
	wild  map[string][]*tls.Certificate // by what follows "*."
}

func newStore(n int) *store { return &store{pairs: make([]*tls.Certificate, n)} }

// put sets the i-th certificate.
func (s *store) put(i int, c *tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairs[i] = c
	x := &index{exact: map[string][]*tls.Certificate{}, wild: map[string][]*tls.Certificate{}}
	for _, c := range s.pairs {
		if c != nil {
			x.add(c)
		}
	}
	s.index.Store(x)
}

func (x *index) add(c *tls.Certificate) {
	x.all = append(x.all, c)
	names := c.Leaf.DNSNames
	if len(names) == 0 && c.Leaf.Subject.CommonName != "" {
		names = []string{c.Leaf.Subject.CommonName} // an old certificate: clients judge it, not we
	}
	for _, n := range names {
		n = strings.ToLower(n)
		if domain, ok := strings.CutPrefix(n, "*."); ok {
			x.wild[domain] = append(x.wild[domain], c)
		} else {
			x.exact[n] = append(x.exact[n], c)
		}
	}
}

// pick chooses by the name that the client asks for: the very name, then a
// wildcard's, then the default; among several, what the client can verify.
func (s *store) pick(h *tls.ClientHelloInfo) *tls.Certificate {
	x := s.index.Load()
	all := x.named(h.ServerName)
	for _, c := range all {
		if h.SupportsCertificate(c) == nil {
			return c
		}
	}
	return all[0] // nothing fits; the handshake tells why
}

func (x *index) named(name string) []*tls.Certificate {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if c := x.exact[name]; len(c) > 0 {
		return c
	}
	if _, domain, ok := strings.Cut(name, "."); ok {
		if c := x.wild[domain]; len(c) > 0 {
			return c
		}
	}
	return x.all
}

// loadPair reads a certificate with its chain, and its key.
func loadPair(cert, key string) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s cannot be used: %w", cert, key, err)
	}
	return &c, nil
}

// loadBundle reads certificates of authorities.
func loadBundle(file string) (*x509.CertPool, []*Leaf, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	var all []*Leaf
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
		pool.AddCert(c)
		all = append(all, &Leaf{file, true, c})
	}
	if len(all) == 0 {
		return nil, nil, errors.New(file + " holds no certificate in PEM")
	}
	return pool, all, nil
}
