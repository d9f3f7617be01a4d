package format

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"strings"

	"github.com/pitot-io/pitot/internal/operator"
)

// tlsValue is what an operator tells of the client's TLS. Those about its
// certificate allocate.
func tlsValue(p *operator.Piece, _ Use) value {
	switch p.Name {
	case "REQUESTED_SERVER_NAME":
		return ofTLS(func(t *tls.ConnectionState) string { return t.ServerName })
	case "DOWNSTREAM_TLS_VERSION":
		return ofTLS(version)
	case "DOWNSTREAM_TLS_CIPHER":
		return ofTLS(cipher)
	case "DOWNSTREAM_PEER_SUBJECT":
		return ofPeer(func(c *x509.Certificate) string { return c.Subject.String() })
	case "DOWNSTREAM_PEER_ISSUER":
		return ofPeer(func(c *x509.Certificate) string { return c.Issuer.String() })
	case "DOWNSTREAM_PEER_SERIAL":
		return ofPeer(func(c *x509.Certificate) string { return c.SerialNumber.Text(16) })
	case "DOWNSTREAM_PEER_FINGERPRINT_256":
		return ofPeer(func(c *x509.Certificate) string {
			sum := sha256.Sum256(c.Raw)
			return hex.EncodeToString(sum[:])
		})
	case "DOWNSTREAM_PEER_DNS_SAN":
		return ofPeer(func(c *x509.Certificate) string { return strings.Join(c.DNSNames, ",") })
	case "DOWNSTREAM_PEER_URI_SAN":
		return ofPeer(uris)
	}
	return nil
}

func cipher(t *tls.ConnectionState) string {
	if t.CipherSuite == 0 { // it was not spoken with us
		return ""
	}
	return tls.CipherSuiteName(t.CipherSuite)
}

func ofTLS(get func(*tls.ConnectionState) string) value {
	return text(func(e *Entry) string {
		if e.TLS == nil {
			return ""
		}
		return get(e.TLS)
	})
}

func ofPeer(get func(*x509.Certificate) string) value {
	return ofTLS(func(t *tls.ConnectionState) string {
		if len(t.PeerCertificates) == 0 {
			return ""
		}
		return get(t.PeerCertificates[0])
	})
}

// version is TLS's version as Envoy writes it.
func version(t *tls.ConnectionState) string {
	switch t.Version {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}

func uris(c *x509.Certificate) string {
	all := make([]string, len(c.URIs))
	for i, u := range c.URIs {
		all[i] = u.String()
	}
	return strings.Join(all, ",")
}
