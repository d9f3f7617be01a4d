package secure

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"

	"github.com/pitot-io/pitot/internal/config"
)

// Forwarded says what becomes of x-forwarded-client-cert: whether what came is
// passed on, and the element that is put behind it, if any. n is nil for a
// client without TLS.
func (n *Session) Forwarded(mode string) (keep bool, own string) {
	proven := n != nil && len(n.State.PeerCertificates) > 0
	switch {
	case mode == config.AlwaysForwardOnly, mode == config.ForwardOnly && proven:
		return true, ""
	case mode == config.AppendForward && proven:
		return true, n.element
	case mode == config.SanitizeSet && proven:
		return false, n.element
	}
	return false, ""
}

// forwards reports whether servers are told of certificates.
func (s *Server) forwards() bool {
	return s.forward.Mode == config.AppendForward || s.forward.Mode == config.SanitizeSet
}

// describe is an element of the field for the client's certificate.
func (n *Session) describe() string {
	var e element
	for _, u := range n.local.URIs {
		e.add("By", u.String(), false)
	}
	leaf := n.State.PeerCertificates[0]
	hash := sha256.Sum256(leaf.Raw)
	e.add("Hash", hex.EncodeToString(hash[:]), false)
	wants := func(detail string) bool { return slices.Contains(n.server.forward.Details, detail) }
	if wants("cert") {
		e.add("Cert", inPEM(leaf), true)
	}
	if wants("chain") {
		e.add("Chain", inPEM(n.State.PeerCertificates...), true)
	}
	if wants("subject") {
		e.add("Subject", leaf.Subject.String(), true)
	}
	if wants("uri") {
		for _, u := range leaf.URIs {
			e.add("URI", u.String(), false)
		}
	}
	if wants("dns") {
		for _, name := range leaf.DNSNames {
			e.add("DNS", name, false)
		}
	}
	return e.String()
}

// inPEM is the certificates as PEM, escaped as in a URL.
func inPEM(all ...*x509.Certificate) string {
	var b []byte
	for _, c := range all {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return strings.ReplaceAll(url.QueryEscape(string(b)), "+", "%20")
}

// element is written as Key=value;Key="quoted value".
type element struct{ strings.Builder }

func (e *element) add(key, value string, quoted bool) {
	if e.Len() > 0 {
		e.WriteByte(';')
	}
	e.WriteString(key + "=")
	if !quoted && !strings.ContainsAny(value, ",;=\"") {
		e.WriteString(clean(value))
		return
	}
	e.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean(value)) + `"`)
}

// clean drops what no field may hold: names of certificates are anybody's.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
