package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pitot-io/pitot/internal/testca"
)

func TestTLSDefaults(t *testing.T) {
	c, err := Parse("f", []byte("listeners:\n- {address: ':1', protocol: tcp, cluster: c, tls: {certificates: [{cert: a, key: b}]}}\nclusters:\n- {name: c, endpoints: ['a:1'], tls: {}}\n- {name: d, endpoints: ['a:1']}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := NewListenerTLS()
	want.Certificates = []Certificate{{"a", "b"}}
	if diff := cmp.Diff(want, c.Listeners[0].TLS); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(NewClusterTLS(), c.Clusters[0].TLS); diff != "" {
		t.Error(diff)
	}
	if c.Clusters[1].TLS != nil {
		t.Error("a cluster without tls has it")
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("shown", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(c.Listeners, again.Listeners, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(c.Clusters, again.Clusters, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestTLSProblemsAreToldAtOnce(t *testing.T) {
	_, err := Parse("f", []byte(`listeners:
- address: ":1"
  protocol: tcp
  cluster: c
  tls:
    min_version: "1.4"
    ciphers: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265, TLS_AES_128_GCM_SHA256]
    alpn: [""]
    handshake_timeout: 0
    max_handshakes: 0
    client_certificate:
      mode: require
      match:
      - {type: dns, exact: a, suffix: b}
      - {type: x, regex: "("}
      - {type: ip, exact: here}
      spki: [abc]
      sha256: [abc]
  forward_client_cert: {mode: set, details: [name]}
- address: ":2"
  protocol: tls_passthrough
  cluster: c
  tls: {certificates: [{cert: a}], client_certificate: {ca: x}, min_version: "1.3", max_version: "1.2"}
  sni:
  - {names: ["a:1", "*.b.c", "*.B.c"], cluster: d}
  - {}
- {address: ":3", protocol: http, cluster: c, sni: [{names: [a], cluster: c}]}
clusters:
- name: c
  endpoints: ["a:1"]
  tls: {cert: a, sni: "*.x", insecure_skip_verify: true, ca: y}
`))
	want := `
f:5: listeners[0].tls.certificates: must name at least one certificate, as [{cert: server.pem, key: server.key}]
f:6: listeners[0].tls.min_version: "1.4" is not valid; must be one of 1.0, 1.1, 1.2, 1.3
f:7: listeners[0].tls.ciphers[0]: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265" is not valid, did you mean "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"?; must be one of
f:7: listeners[0].tls.ciphers[1]: "TLS_AES_128_GCM_SHA256" is not valid
f:8: listeners[0].tls.alpn[0]: "" is not valid
f:9: listeners[0].tls.handshake_timeout: must be more than 0
f:10: listeners[0].tls.max_handshakes: 0 is not valid
f:13: listeners[0].tls.client_certificate.match: needs ca
f:14: listeners[0].tls.client_certificate.match[0]: must have exactly one of exact, prefix, suffix and regex
f:15: listeners[0].tls.client_certificate.match[1].type: "x" is not valid; must be one of dns, uri, email, ip
f:15: listeners[0].tls.client_certificate.match[1].regex: "(" is not valid
f:16: listeners[0].tls.client_certificate.match[2].exact: "here" is not valid; must be an IP address
f:17: listeners[0].tls.client_certificate.spki[0]: "abc" is not valid
f:18: listeners[0].tls.client_certificate.sha256[0]: "abc" is not valid
f:19: listeners[0].forward_client_cert.mode: "set" is not valid; must be one of sanitize,
f:19: listeners[0].forward_client_cert.details[0]: "name" is not valid; must be one of subject,
f:23: listeners[1].tls: terminates TLS
f:23: listeners[1].tls.certificates[0].key: must name a PEM file
f:23: listeners[1].tls.min_version: 1.3 is later than max_version, 1.2
f:23: listeners[1].tls.client_certificate.mode: is none
f:25: listeners[1].sni[0].names[0]: "a:1" is not valid
f:25: listeners[1].sni[0].names[2]: "*.B.c" stands here twice
f:25: listeners[1].sni[0].cluster: no cluster is named "d"
f:26: listeners[1].sni[1].names: must name at least one host
f:26: listeners[1].sni[1].cluster: must name a cluster
f:27: listeners[2].sni: is for protocol tls_passthrough, tcp and auto
f:31: clusters[0].tls: has one of cert and key
f:31: clusters[0].tls.sni: "*.x" is not valid
f:31: clusters[0].tls.insecure_skip_verify: is true, so that
`
	holds(t, err, want)
}

// holds wants a line of err to begin with each line of want, and no others.
func holds(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatal("no problem")
	}
	lines := strings.Split(strings.TrimSpace(want), "\n")
	got := strings.Split(err.Error(), "\n")
	for _, w := range lines {
		found := false
		for i, g := range got {
			if found = strings.HasPrefix(g, w); found {
				got = append(got[:i:i], got[i+1:]...)
				break
			}
		}
		if !found {
			t.Errorf("not told: %s", w)
		}
	}
	for _, g := range got {
		t.Errorf("told: %s", g)
	}
}

func TestTLSFilesAreLookedInto(t *testing.T) {
	ca := testca.New(t)
	one, two := ca.Issue("one", testca.Year(), "one.test"), ca.Issue("two", testca.Year(), "two.test")
	dir := t.TempDir()
	put := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	nothing := put("nothing.pem", "nothing\n")
	locked := put("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	text := "listeners:\n- address: ':1'\n  protocol: tcp\n  cluster: c\n  tls:\n    certificates:\n" +
		"    - {cert: " + one.Cert + ", key: " + one.Key + "}\n" +
		"    - {cert: " + one.Cert + ", key: " + two.Key + "}\n" +
		"    - {cert: " + dir + "/missing.pem, key: " + dir + "/missing.key}\n" +
		"    - {cert: " + nothing + ", key: " + nothing + "}\n" +
		"    - {cert: " + one.Cert + ", key: " + locked + "}\n" +
		"    client_certificate: {mode: require, ca: " + nothing + "}\n" +
		"    keylog: " + dir + "/none/keys\n" +
		"clusters:\n- {name: c, endpoints: ['a:1'], tls: {ca: " + dir + "/missing.ca}}\n"
	_, err := Load(put("pitot.yaml", text))
	at := dir + "/pitot.yaml:"
	holds(t, err, at+"8: listeners[0].tls.certificates[1].key: "+two.Key+" is not the key of the certificate in "+one.Cert+"; name\n"+
		at+"9: listeners[0].tls.certificates[2].cert: stat "+dir+"/missing.pem: no such file or directory; must name a PEM file\n"+
		at+"9: listeners[0].tls.certificates[2].key: stat "+dir+"/missing.key: no such file or directory; must name a PEM file\n"+
		at+"10: listeners[0].tls.certificates[3].cert: "+nothing+" holds no certificate in PEM\n"+
		at+"11: listeners[0].tls.certificates[4].key: "+locked+" is encrypted; write it without a password with: openssl pkey\n"+
		at+"12: listeners[0].tls.client_certificate.ca: "+nothing+" holds no certificate in PEM\n"+
		at+"13: listeners[0].tls.keylog: stat "+dir+"/none: no such file or directory; must name a file in a folder\n"+
		at+"15: clusters[0].tls.ca: stat "+dir+"/missing.ca: no such file")
}

func TestTLSWarnings(t *testing.T) {
	ca := testca.New(t)
	old, good := ca.Issue("old", time.Now().Add(-time.Hour), "old.test"), ca.Issue("good", testca.Year(), "good.test")
	l, c := NewListenerTLS(), NewClusterTLS()
	l.Certificates = []Certificate{{good.Cert, good.Key}, {old.Cert, old.Key}}
	l.KeyLog, c.Insecure, c.MinVersion = filepath.Join(t.TempDir(), "keys"), true, "1.0"
	got := (&Config{Listeners: []Listener{{TLS: l}, {}}, Clusters: []Cluster{{TLS: c}, {}}}).Warnings()
	want := []string{
		"listeners[0].tls.certificates[1].cert: the certificate of CN=old.test,O=pitot in " + old.Cert + " has expired on",
		"listeners[0].tls.keylog: the secrets of every session are written to",
		"clusters[0].tls.min_version: TLS 1.0 is broken",
		"clusters[0].tls.insecure_skip_verify: servers are believed without proof",
	}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
	if _, err := os.Stat(l.KeyLog); err == nil {
		t.Error("looking at a key log makes it")
	}
}
