package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxPEM bounds the size of a file of certificates.
const maxPEM = 4 << 20

// checkFiles tells report what is wrong with the files that c names.
func (c *Config) checkFiles(wrong report) {
	for i := range c.Listeners {
		t := c.Listeners[i].TLS
		if t == nil {
			continue
		}
		key := fmt.Sprintf("listeners[%d].tls", i)
		for j, p := range t.Certificates {
			checkPair(p.Cert, p.Key, fmt.Sprintf("%s.certificates[%d]", key, j), wrong)
		}
		checkBundle(t.Client.CA, key+".client_certificate.ca", wrong)
		checkRevoked(t.Client.CRL, key+".client_certificate.crl_file", wrong)
		checkKeyLog(t.KeyLog, key+".keylog", wrong)
	}
	c.eachClient(func(t *ClusterTLS, key string) {
		checkPair(t.Cert, t.Key, key, wrong)
		checkBundle(t.CA, key+".ca", wrong)
		checkKeyLog(t.KeyLog, key+".keylog", wrong)
	})
}

// eachClient calls f for every section that says how TLS is spoken to servers.
func (c *Config) eachClient(f func(t *ClusterTLS, key string)) {
	for i := range c.Clusters {
		if t := c.Clusters[i].TLS; t != nil {
			f(t, fmt.Sprintf("clusters[%d].tls", i))
		}
	}
	if s := c.RateLimitService; s != nil && s.TLS != nil {
		f(s.TLS, "rate_limit_service.tls")
	}
}

func checkPair(cert, private, key string, wrong report) {
	if cert == "" || private == "" {
		return
	}
	certs, err := readPEM(cert)
	if err != nil {
		wrong(key+".cert", "%v; must name a PEM file with the certificate and its chain", err)
	} else if len(blocks(certs, "CERTIFICATE")) == 0 {
		wrong(key+".cert", "%s holds no certificate in PEM; must have a block that begins with -----BEGIN CERTIFICATE-----", cert)
		err = errors.New("none")
	}
	secret, err2 := readPEM(private)
	switch {
	case err2 != nil:
		wrong(key+".key", "%v; must name a PEM file with the private key", err2)
	case strings.Contains(string(secret), "ENCRYPTED"):
		wrong(key+".key", "%s is encrypted; write it without a password with: openssl pkey -in %s -out FILE", private, private)
	case err == nil:
		checkMatch(certs, secret, cert, private, key, wrong)
	}
}

func checkMatch(certs, secret []byte, cert, private, key string, wrong report) {
	_, err := tls.X509KeyPair(certs, secret)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "does not match"):
		wrong(key+".key", "%s is not the key of the certificate in %s; name the two that belong together, the server's own certificate first in its file", private, cert)
	default:
		wrong(key, "%s and %s cannot be used: %v", cert, private, err)
	}
}

func checkBundle(file, key string, wrong report) {
	if file == "" {
		return
	}
	b, err := readPEM(file)
	if err != nil {
		wrong(key, "%v; must name a PEM file of authorities' certificates", err)
		return
	}
	all := blocks(b, "CERTIFICATE")
	if len(all) == 0 {
		wrong(key, "%s holds no certificate in PEM; must have blocks that begin with -----BEGIN CERTIFICATE-----", file)
	}
	for i, block := range all {
		if _, err := x509.ParseCertificate(block); err != nil {
			wrong(key, "certificate %d of %s cannot be read: %v", i+1, file, err)
		}
	}
}

// checkRevoked wants lists of revoked certificates, in PEM or one as it is. That
// they are signed by an authority is seen when they are used.
func checkRevoked(file, key string, wrong report) {
	if file == "" {
		return
	}
	b, err := readPEM(file)
	if err != nil {
		wrong(key, "%v; must name a file of lists of revoked certificates (CRL)", err)
		return
	}
	all := blocks(b, "X509 CRL")
	if len(all) == 0 {
		all = [][]byte{b}
	}
	for i, block := range all {
		if _, err := x509.ParseRevocationList(block); err != nil {
			wrong(key, "list %d of %s cannot be read: %v; must be in PEM, as -----BEGIN X509 CRL-----, or DER", i+1, file, err)
		}
	}
}

// checkKeyLog wants a file that can be written, or a folder to make it in.
func checkKeyLog(file, key string, wrong report) {
	if file == "" {
		return
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	switch {
	case err == nil:
		_ = f.Close() // nothing was written
	case errors.Is(err, fs.ErrNotExist):
		if _, err = os.Stat(filepath.Dir(file)); err != nil {
			wrong(key, "%v; must name a file in a folder that is there", err)
		}
	default:
		wrong(key, "%v; must name a file that can be written", err)
	}
}

func readPEM(file string) ([]byte, error) {
	i, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !i.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", file)
	case i.Size() > maxPEM:
		return nil, fmt.Errorf("%s is larger than %s", file, Size(maxPEM))
	}
	return os.ReadFile(file)
}

// blocks are the contents of the PEM blocks of that type.
func blocks(b []byte, kind string) (all [][]byte) {
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return all
		}
		if block.Type == kind {
			all = append(all, block.Bytes)
		}
		b = rest
	}
}

// Warnings are what can be used and should be known: each is as "KEY: text".
func (c *Config) Warnings() (all []string) {
	warn := func(key, format string, a ...any) { all = append(all, key+": "+fmt.Sprintf(format, a...)) }
	for i := range c.Listeners {
		t, key := c.Listeners[i].TLS, fmt.Sprintf("listeners[%d].tls", i)
		if t == nil {
			continue
		}
		for j, p := range t.Certificates {
			warnExpired(p.Cert, fmt.Sprintf("%s.certificates[%d].cert", key, j), warn)
		}
		warnExpired(t.Client.CA, key+".client_certificate.ca", warn)
		warnProtection(t.MinVersion, t.KeyLog, key, warn)
	}
	c.eachClient(func(t *ClusterTLS, key string) {
		warnExpired(t.Cert, key+".cert", warn)
		warnExpired(t.CA, key+".ca", warn)
		warnProtection(t.MinVersion, t.KeyLog, key, warn)
		if t.Insecure {
			warn(key+".insecure_skip_verify", "servers are believed without proof: whoever is in between can read and change everything; name their authority in ca instead")
		}
	})
	return all
}

func warnProtection(least, keylog, key string, warn report) {
	if keylog != "" {
		warn(key+".keylog", "the secrets of every session are written to %s: whoever reads it can read the traffic; for debugging only", keylog)
	}
	if least < "1.2" {
		warn(key+".min_version", "TLS %s is broken (RFC 8996); use 1.2 where no old peer needs it", least)
	}
}

// warnExpired tells of the certificates in a file that are over, or not yet.
func warnExpired(file, key string, warn report) {
	b, err := readPEM(file)
	if file == "" || err != nil {
		return
	}
	now := time.Now()
	for _, block := range blocks(b, "CERTIFICATE") {
		c, err := x509.ParseCertificate(block)
		switch {
		case err != nil:
		case now.After(c.NotAfter):
			warn(key, "the certificate of %s in %s has expired on %s; peers will refuse it", c.Subject, file, c.NotAfter.Format(time.DateOnly))
		case now.Before(c.NotBefore):
			warn(key, "the certificate of %s in %s is valid only from %s on", c.Subject, file, c.NotBefore.Format(time.DateOnly))
		}
	}
}
