package config

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

var (
	versions     = []string{"1.0", "1.1", "1.2", "1.3"}
	clientModes  = []string{ClientNone, ClientRequest, ClientRequire}
	sanTypes     = []string{"dns", "uri", "email", "ip"}
	forwardModes = []string{Sanitize, ForwardOnly, AppendForward, SanitizeSet, AlwaysForwardOnly}
	certDetails  = []string{"subject", "uri", "dns", "cert", "chain"}
)

// checkTLS tells report what is wrong with the sections of TLS by themselves;
// the files that they name are looked into by checkFiles.
func (c *Config) checkTLS(wrong report) {
	for i := range c.Listeners {
		c.Listeners[i].ForwardCert.check(fmt.Sprintf("listeners[%d].forward_client_cert", i), wrong)
		if t := c.Listeners[i].TLS; t != nil {
			t.check(fmt.Sprintf("listeners[%d].tls", i), wrong)
		}
	}
	for i := range c.Clusters {
		if t := c.Clusters[i].TLS; t != nil {
			t.check(fmt.Sprintf("clusters[%d].tls", i), wrong)
			c.Clusters[i].checkName(fmt.Sprintf("clusters[%d].tls.sni", i), wrong)
		}
	}
}

// checkSNI is about TLS that is not terminated.
func (c *Config) checkSNI(l *Listener, key string, wrong report) {
	switch {
	case l.TLS != nil && l.Protocol == PassTLS:
		wrong(key+".tls", "terminates TLS, and protocol is %s; remove it, or set protocol to %s", PassTLS, TCP)
	case l.TLS != nil && len(l.SNI) > 0:
		wrong(key+".sni", "is for TLS that is passed on, and tls terminates it; keep one")
	case len(l.SNI) > 0 && l.Protocol != TCP && l.Protocol != PassTLS && l.Protocol != Auto:
		wrong(key+".sni", "is for protocol %s, %s and %s", PassTLS, TCP, Auto)
	}
	seen := map[string]bool{}
	for i, r := range l.SNI {
		at := fmt.Sprintf("%s.sni[%d]", key, i)
		if len(r.Names) == 0 {
			wrong(at+".names", "must name at least one host, as [db.example.com, \"*.example.com\"]")
		}
		for j, n := range r.Names {
			checkServerName(n, fmt.Sprintf("%s.names[%d]", at, j), seen, wrong)
		}
		if r.Cluster == "" {
			wrong(at+".cluster", "must name a cluster%s", c.clusterNames())
		}
		c.checkReference(r.Cluster, at+".cluster", wrong)
	}
}

func checkServerName(n, key string, seen map[string]bool, wrong report) {
	name := strings.ToLower(n)
	if bare := strings.TrimPrefix(name, "*."); bare == "" || strings.ContainsAny(bare, "*:/ ") || strings.HasPrefix(bare, ".") {
		wrong(key, "%q is not valid; must be a host name, or one with *. before it", n)
	}
	if seen[name] {
		wrong(key, "%q stands here twice; remove one", n)
	}
	seen[name] = true
}

func (t *ListenerTLS) check(key string, wrong report) {
	if len(t.Certificates) == 0 {
		wrong(key+".certificates", "must name at least one certificate, as [{cert: server.pem, key: server.key}]")
	}
	for i, p := range t.Certificates {
		at := fmt.Sprintf("%s.certificates[%d]", key, i)
		if p.Cert == "" {
			wrong(at+".cert", "must name a PEM file with the certificate and its chain")
		}
		if p.Key == "" {
			wrong(at+".key", "must name a PEM file with the private key")
		}
	}
	checkProtection(key, t.MinVersion, t.MaxVersion, t.Ciphers, t.ALPN, wrong)
	if t.HandshakeTimeout == 0 {
		wrong(key+".handshake_timeout", "must be more than 0: clients that say nothing would stay for ever")
	}
	if t.MaxHandshakes < 1 {
		wrong(key+".max_handshakes", "%d is not valid; must be at least 1", t.MaxHandshakes)
	}
	t.Client.check(key+".client_certificate", wrong)
}

func (f *ForwardCert) check(key string, wrong report) {
	if !slices.Contains(forwardModes, f.Mode) {
		wrong(key+".mode", "%q is not valid; must be one of %s", f.Mode, strings.Join(forwardModes, ", "))
	}
	for i, d := range f.Details {
		if !slices.Contains(certDetails, d) {
			wrong(fmt.Sprintf("%s.details[%d]", key, i), "%q is not valid; must be one of %s", d, strings.Join(certDetails, ", "))
		}
	}
}

func (c *ClientCerts) check(key string, wrong report) {
	asked := c.CA != "" || c.CRL != "" || len(c.Match)+len(c.SPKI)+len(c.SHA256) > 0
	switch {
	case !slices.Contains(clientModes, c.Mode):
		wrong(key+".mode", "%q is not valid; must be one of %s", c.Mode, strings.Join(clientModes, ", "))
	case c.Mode == ClientNone && asked:
		wrong(key+".mode", "is %s, so that the rest here has no meaning; set it to %s or %s", ClientNone, ClientRequest, ClientRequire)
	case c.Mode != ClientNone && c.CA == "" && len(c.SPKI)+len(c.SHA256) == 0:
		wrong(key+".ca", "must name a PEM file of the authorities that clients are believed by (or set spki or sha256)")
	case c.CA == "" && len(c.Match) > 0:
		wrong(key+".match", "needs ca: a name proves nothing unless an authority signed it")
	case c.CA == "" && c.CRL != "":
		wrong(key+".crl_file", "needs ca: a list must be signed by one of the authorities")
	}
	checkIdentity(key, c.Match, c.SPKI, c.SHA256, wrong)
}

func (t *ClusterTLS) check(key string, wrong report) {
	if (t.Cert == "") != (t.Key == "") {
		wrong(key, "has one of cert and key; a client certificate needs both")
	}
	if strings.ContainsAny(t.SNI, ":/ *") {
		wrong(key+".sni", "%q is not valid; must be a host name, as shop.example.com", t.SNI)
	}
	if t.Insecure && (t.CA != "" || len(t.Match) > 0) {
		wrong(key+".insecure_skip_verify", "is true, so that ca and match have no meaning; remove one or the other")
	}
	checkIdentity(key, t.Match, t.SPKI, t.SHA256, wrong)
	checkProtection(key, t.MinVersion, t.MaxVersion, t.Ciphers, t.ALPN, wrong)
}

// checkName wants a name to verify where endpoints have none.
func (c *Cluster) checkName(key string, wrong report) {
	nameless := slices.ContainsFunc(c.Endpoints, func(e Endpoint) bool { _, unix := UnixPath(e.Address); return unix })
	if nameless && c.TLS.SNI == "" && len(c.TLS.Match) == 0 && !c.TLS.Insecure {
		wrong(key, "must be there: a Unix socket has no name to verify the server's certificate by")
	}
}

func checkProtection(key, least, most string, ciphers, alpn []string, wrong report) {
	lo, hi := slices.Index(versions, least), slices.Index(versions, most)
	for _, v := range []struct {
		at    int
		key   string
		value string
	}{{lo, "min_version", least}, {hi, "max_version", most}} {
		if v.at < 0 {
			wrong(key+"."+v.key, "%q is not valid; must be one of %s", v.value, strings.Join(versions, ", "))
		}
	}
	if hi >= 0 && lo > hi {
		wrong(key+".min_version", "%s is later than max_version, %s", least, most)
	}
	for i, name := range ciphers {
		if _, ok := CipherID(name); !ok {
			wrong(fmt.Sprintf("%s.ciphers[%d]", key, i), "%q is not valid%s; must be one of %s", name, suggest(name, cipherNames()), strings.Join(cipherNames(), ", "))
		}
	}
	if len(ciphers) > 0 && least == "1.3" {
		wrong(key+".ciphers", "are of TLS 1.2, and min_version is 1.3: those of TLS 1.3 cannot be chosen; remove them")
	}
	for i, p := range alpn {
		if p == "" || len(p) > 255 {
			wrong(fmt.Sprintf("%s.alpn[%d]", key, i), "%q is not valid; must be 1 to 255 bytes, as h2 or http/1.1", p)
		}
	}
}

// CipherID is the number of a cipher suite of TLS 1.2 that is held for safe.
func CipherID(name string) (id uint16, ok bool) {
	for _, s := range tls.CipherSuites() {
		if s.Name == name && slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
			return s.ID, true
		}
	}
	return 0, false
}

func cipherNames() (names []string) {
	for _, s := range tls.CipherSuites() {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
			names = append(names, s.Name)
		}
	}
	return names
}

// VersionID is the number of a version of TLS as the configuration names it.
func VersionID(v string) uint16 { return uint16(tls.VersionTLS10 + max(0, slices.Index(versions, v))) }

func checkIdentity(key string, match []SANMatch, spki, hashes []string, wrong report) {
	for i := range match {
		match[i].check(fmt.Sprintf("%s.match[%d]", key, i), wrong)
	}
	for i, p := range spki {
		if b, err := base64.StdEncoding.DecodeString(p); err != nil || len(b) != 32 {
			wrong(fmt.Sprintf("%s.spki[%d]", key, i), "%q is not valid; must be the SHA-256 of a public key in base64 (docs/operations.md shows the command)", p)
		}
	}
	for i, p := range hashes {
		if _, ok := ParseHash(p); !ok {
			wrong(fmt.Sprintf("%s.sha256[%d]", key, i), "%q is not valid; must be the SHA-256 of a certificate, 64 hexadecimal digits, colons allowed", p)
		}
	}
}

// ParseHash reads a fingerprint as openssl prints it.
func ParseHash(s string) (h [32]byte, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	return h, err == nil && copy(h[:], b) == len(h) && len(b) == len(h)
}

func (m *SANMatch) check(key string, wrong report) {
	if !slices.Contains(sanTypes, m.Type) {
		wrong(key+".type", "%q is not valid; must be one of %s", m.Type, strings.Join(sanTypes, ", "))
	}
	given := 0
	for _, s := range []string{m.Exact, m.Prefix, m.Suffix, m.Regex} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		wrong(key, "must have exactly one of exact, prefix, suffix and regex")
	}
	if _, err := regexp.Compile(m.Regex); err != nil {
		wrong(key+".regex", "%q is not valid: %v", m.Regex, err)
	}
	if _, err := netip.ParseAddr(m.Exact); m.Type == "ip" && m.Exact != "" && err != nil {
		wrong(key+".exact", "%q is not valid; must be an IP address", m.Exact)
	}
}
