// Package testca makes certificates for tests: an authority of its own, and
// what it signs, as files.
package testca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// CA is an authority.
type CA struct {
	File string // its certificate
	Pool *x509.CertPool
	Cert *x509.Certificate
	key  crypto.Signer
	dir  string
	t    testing.TB
}

// New makes an authority whose files live as long as the test.
func New(t testing.TB) *CA {
	t.Helper()
	ca := &CA{dir: t.TempDir(), key: newKey(t), t: t}
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "authority of " + t.Name()}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ca.key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.Cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.Pool = x509.NewCertPool()
	ca.Pool.AddCert(ca.Cert)
	ca.File = ca.write("ca.pem", "CERTIFICATE", der)
	return ca
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Pair is a certificate and its key.
type Pair struct {
	Cert, Key string // files
	TLS       tls.Certificate
}

// Issue signs a certificate for names: addresses, URIs, emails and DNS names,
// told apart by their looks. It is valid until end.
func (ca *CA) Issue(file string, end time.Time, names ...string) Pair {
	ca.t.Helper()
	key := newKey(ca.t)
	template := &x509.Certificate{
		SerialNumber: serial(ca.t), Subject: pkix.Name{CommonName: names[0], Organization: []string{"pitot"}}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		name(template, n)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Cert, key.Public(), ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		ca.t.Fatal(err)
	}
	p := Pair{Cert: ca.write(file+".pem", "CERTIFICATE", der), Key: ca.write(file+".key", "PRIVATE KEY", private)}
	if p.TLS, err = tls.LoadX509KeyPair(p.Cert, p.Key); err != nil {
		ca.t.Fatal(err)
	}
	return p
}

// Revoke writes the list of what the authority has taken back, good until end.
func (ca *CA) Revoke(file string, end time.Time, pairs ...Pair) string {
	ca.t.Helper()
	template := &x509.RevocationList{Number: serial(ca.t), ThisUpdate: end.Add(-24 * time.Hour), NextUpdate: end}
	for _, p := range pairs {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: p.TLS.Leaf.SerialNumber, RevocationTime: template.ThisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, ca.Cert, ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	return ca.write(file, "X509 CRL", der)
}

func name(c *x509.Certificate, n string) {
	if ip := net.ParseIP(n); ip != nil {
		c.IPAddresses = append(c.IPAddresses, ip)
		return
	}
	if u, err := url.Parse(n); err == nil && u.Scheme != "" {
		c.URIs = append(c.URIs, u)
		return
	}
	if strings.Contains(n, "@") {
		c.EmailAddresses = append(c.EmailAddresses, n)
		return
	}
	c.DNSNames = append(c.DNSNames, n)
}

// write replaces a file at once, as those do who renew certificates.
func (ca *CA) write(file, kind string, der []byte) string {
	ca.t.Helper()
	path := filepath.Join(ca.dir, file)
	b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		ca.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		ca.t.Fatal(err)
	}
	return path
}

// Year is a time a year ahead, when most certificates of tests end.
func Year() time.Time { return time.Now().AddDate(1, 0, 0) }
