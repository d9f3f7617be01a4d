package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"
)

// authority signs the certificates of a test.
type authority struct {
	t      *testing.T
	folder string
	file   string // its own certificate
	key_   *ecdsa.PrivateKey
	parent *x509.Certificate
	number int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, folder: t.TempDir()}
	a.key_ = a.newKey()
	a.parent = a.template("pitot's tests")
	a.parent.IsCA, a.parent.KeyUsage = true, x509.KeyUsageCertSign
	a.file = a.sign("ca", a.parent, a.key_)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return k
}

func (a *authority) template(name string) *x509.Certificate {
	a.number++
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.number), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (a *authority) sign(name string, c *x509.Certificate, k *ecdsa.PrivateKey) string {
	der, err := x509.CreateCertificate(rand.Reader, c, a.parent, &k.PublicKey, a.key_)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", der)
}

func (a *authority) write(file, kind string, der []byte) string {
	path := filepath.Join(a.folder, file)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// cert is the file of name's certificate, key that of its key.
func (a *authority) cert(name string) string {
	a.make(name)
	return filepath.Join(a.folder, name+".pem")
}

func (a *authority) key(name string) string {
	a.make(name)
	return filepath.Join(a.folder, name+".key")
}

func (a *authority) make(name string) {
	if _, err := os.Stat(filepath.Join(a.folder, name+".key")); err == nil {
		return
	}
	k := a.newKey()
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	a.sign(name, a.template(name), k)
	a.write(name+".key", "EC PRIVATE KEY", der)
}

// pair is name's certificate as a server takes it.
func (a *authority) pair(name string) tls.Certificate {
	c, err := tls.LoadX509KeyPair(a.cert(name), a.key(name))
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func (a *authority) credentials(name string) credentials.TransportCredentials {
	return credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{a.pair(name)}, NextProtos: []string{"h2"}})
}

// roots trusts the authority.
func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.parsed())
	return pool
}

func (a *authority) parsed() *x509.Certificate {
	b, err := os.ReadFile(a.file)
	if err != nil {
		a.t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}
