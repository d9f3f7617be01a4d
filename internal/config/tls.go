package config

import "time"

// ListenerTLS is the server's side of TLS on a listener.
type ListenerTLS struct {
	Certificates     []Certificate `yaml:"certificates"`
	ALPN             []string      `yaml:"alpn"` // in order of preference
	MinVersion       string        `yaml:"min_version"`
	MaxVersion       string        `yaml:"max_version"`
	Ciphers          []string      `yaml:"ciphers"` // of TLS 1.2
	SessionTickets   bool          `yaml:"session_tickets"`
	HandshakeTimeout time.Duration `yaml:"handshake_timeout"`
	MaxHandshakes    int           `yaml:"max_handshakes"` // under way at once; more wait
	Client           ClientCerts   `yaml:"client_certificate"`
	KeyLog           string        `yaml:"keylog"` // file that gets the secrets of all sessions
}

// Certificate is a certificate with its chain, and its key, as PEM files.
type Certificate struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// ClientCerts says what is asked of clients.
type ClientCerts struct {
	Mode   string     `yaml:"mode"`
	CA     string     `yaml:"ca"`       // file of authorities
	CRL    string     `yaml:"crl_file"` // of what they have revoked
	Match  []SANMatch `yaml:"match"`    // one of them must fit
	SPKI   []string   `yaml:"spki"`     // SHA-256 of the public key, base64; one of these, or of SHA256, must fit
	SHA256 []string   `yaml:"sha256"`   // of the certificate, hexadecimal
}

// The modes of ClientCerts.
const (
	ClientNone    = "none"
	ClientRequest = "request"
	ClientRequire = "require"
)

// SANMatch takes a certificate by one of its alternative names.
type SANMatch struct {
	Type   string `yaml:"type"` // dns, uri, email or ip
	Exact  string `yaml:"exact"`
	Prefix string `yaml:"prefix"`
	Suffix string `yaml:"suffix"`
	Regex  string `yaml:"regex"` // of the whole name
}

// ForwardCert says what becomes of x-forwarded-client-cert, on listeners with
// TLS and without.
type ForwardCert struct {
	Mode    string   `yaml:"mode"`
	Details []string `yaml:"details"` // beside By and Hash
}

// The modes of ForwardCert, as Envoy names them.
const (
	Sanitize          = "sanitize"
	ForwardOnly       = "forward_only"
	AppendForward     = "append_forward"
	SanitizeSet       = "sanitize_set"
	AlwaysForwardOnly = "always_forward_only"
)

// ClusterTLS is the client's side of TLS towards a cluster.
type ClusterTLS struct {
	SNI        string     `yaml:"sni"`  // name asked for and verified; the endpoint's host by default
	CA         string     `yaml:"ca"`   // file of authorities; the system's by default
	Cert       string     `yaml:"cert"` // of ours, where the servers want one
	Key        string     `yaml:"key"`
	Match      []SANMatch `yaml:"match"` // in place of the name
	SPKI       []string   `yaml:"spki"`
	SHA256     []string   `yaml:"sha256"`
	Insecure   bool       `yaml:"insecure_skip_verify"`
	ALPN       []string   `yaml:"alpn"`
	MinVersion string     `yaml:"min_version"`
	MaxVersion string     `yaml:"max_version"`
	Ciphers    []string   `yaml:"ciphers"`
	Sessions   int        `yaml:"session_cache"` // sessions kept for resumption; 0 for none
	KeyLog     string     `yaml:"keylog"`
}

func (t *ListenerTLS) setDefaults() {
	t.MinVersion, t.MaxVersion = "1.2", "1.3"
	t.SessionTickets = true
	t.HandshakeTimeout = 10 * time.Second
	t.MaxHandshakes = 1024
	t.Client.Mode = ClientNone
}

func (t *ClusterTLS) setDefaults() {
	t.MinVersion, t.MaxVersion = "1.2", "1.3"
	t.Sessions = 256
}

// SNIRoute sends TLS to a cluster by the name that the client asks for.
type SNIRoute struct {
	Names   []string `yaml:"names"` // as db.example.com or *.example.com
	Cluster string   `yaml:"cluster"`
}

// NewListenerTLS and NewClusterTLS have the defaults of a section that says
// nothing.
func NewListenerTLS() *ListenerTLS { t := new(ListenerTLS); t.setDefaults(); return t }
func NewClusterTLS() *ClusterTLS   { t := new(ClusterTLS); t.setDefaults(); return t }
