// Package config is the proxy's configuration: one YAML file, or a few flags,
// made into one struct with defaults and checked before anything starts. What
// is wrong is told all at once, with line, key and what would be valid.
package config

import "time"

// Config is everything that `pitot proxy` can be told. docs/configuration.md
// explains every key.
type Config struct {
	Listeners []Listener `yaml:"listeners"`
	Clusters  []Cluster  `yaml:"clusters"`
	Admin     Admin      `yaml:"admin"`
	Store     Store      `yaml:"store"`
	Sinks     Sinks      `yaml:"sinks"`
	Services  Services   `yaml:"services"`
	Drain     Drain      `yaml:"drain"`
	Overload  Overload   `yaml:"overload"`
	Tracing   Tracing    `yaml:"tracing"`
	Redact    Redact     `yaml:"redact"`
	GRPC      GRPC       `yaml:"grpc"`
	Node      Node       `yaml:"node,omitempty"`

	RateLimitService *RateLimitService `yaml:"rate_limit_service,omitempty"` // nil for none
}

// Listener is one bound socket and what happens on it.
type Listener struct {
	Name           string        `yaml:"name"`
	Address        string        `yaml:"address"` // host:port, an empty host means every interface; or unix:/path, or unix:@name
	Protocol       string        `yaml:"protocol"`
	Service        string        `yaml:"service"` // name of what answers here
	Cluster        string        `yaml:"cluster"` // where everything goes that no route takes
	Routes         []Route       `yaml:"routes"`
	Timeouts       Timeouts      `yaml:"timeouts"`
	Limits         Limits        `yaml:"limits"`
	UseRemote      bool          `yaml:"use_remote_address"`         // an edge: believe the peer's address, not its headers
	HTTPVersions   []string      `yaml:"http_versions"`              // that clients may speak; both by default
	GRPCWeb        bool          `yaml:"grpc_web"`                   // translate gRPC-Web into gRPC
	MaxConnections int           `yaml:"max_connections"`            // at once; 0 for no limit
	MaxPerClient   int           `yaml:"max_connections_per_client"` // of one address; 0 for no limit
	OverflowDelay  time.Duration `yaml:"overflow_delay"`             // before a connection too many is closed
	SocketMode     string        `yaml:"socket_mode"`                // of a Unix socket's file, as 0660; what the umask leaves by default
	Upgrades       []string      `yaml:"upgrades"`                   // protocols that an HTTP connection may change to
	Connect        bool          `yaml:"connect"`                    // let CONNECT through

	ProxyProtocol ProxyProtocol `yaml:"proxy_protocol"` // what a proxy before this one tells of its clients
	Transparent   string        `yaml:"transparent"`    // off, redirect or tproxy: connections that were meant for others

	TLS *ListenerTLS `yaml:"tls"` // nil where clients speak without

	TrustedHops     int           `yaml:"xff_num_trusted_hops"` // proxies before this one whose x-forwarded-for is believed
	Via             string        `yaml:"via"`                  // pseudonym in Via; empty for none
	MaxVia          int           `yaml:"max_via"`              // how often a request may have passed by here already
	ForwardedHost   bool          `yaml:"x_forwarded_host"`     // tell the upstream which host was asked for
	RequestID       string        `yaml:"request_id"`           // keep or make
	Path            PathOptions   `yaml:"path"`                 // done to a path before routes see it
	RequestHeaders  HeaderEdits   `yaml:"request_headers"`      // after the route's own
	ResponseHeaders HeaderEdits   `yaml:"response_headers"`
	AccessLog       []AccessLog   `yaml:"access_log"`
	SNI             []SNIRoute    `yaml:"sni"` // where TLS goes that is not terminated here
	Faults          []Fault       `yaml:"faults,omitempty"`
	HealthCheck     HealthCheck   `yaml:"health_check,omitempty"`
	HTTP2           ListenerHTTP2 `yaml:"http2"`

	ForwardCert ForwardCert `yaml:"forward_client_cert"` // what becomes of x-forwarded-client-cert

	Admission   *AdmissionControl    `yaml:"admission_control,omitempty"`    // of each route by itself that has none of its own
	Concurrency *AdaptiveConcurrency `yaml:"adaptive_concurrency,omitempty"` // likewise

	RateLimits []RateLimit  `yaml:"rate_limits,omitempty"` // of all requests, beside the route's own
	Retry      *Retry       `yaml:"retry,omitempty"`       // of requests whose route does not say; nil for no retries
	Hash       []HashPolicy `yaml:"hash,omitempty"`        // of requests whose route does not say
	Sticky     *Sticky      `yaml:"sticky,omitempty"`      // likewise
	Subset     Pairs        `yaml:"subset,omitempty"`      // metadata that the endpoint must have; likewise
}

// The protocols of a listener.
const (
	HTTP    = "http"
	MongoDB = "mongodb"
	TCP     = "tcp"
	PassTLS = "tls_passthrough"
	Auto    = "auto"
)

// Timeouts of a listener. 0 means no limit.
type Timeouts struct {
	Detect  time.Duration `yaml:"detect"`  // for a client's first bytes on a listener of protocol auto
	Header  time.Duration `yaml:"header"`  // for a request's head, from its first byte
	Request time.Duration `yaml:"request"` // for a whole request
	Route   time.Duration `yaml:"route"`   // from the whole request to the head of the answer
	Stream  time.Duration `yaml:"stream"`  // of an HTTP exchange in which nothing moves
	Idle    time.Duration `yaml:"idle"`    // of a connection on which nothing moves
	Hello   time.Duration `yaml:"hello"`   // for a client's hello, where sni tells where it goes
}

// Limits of what one HTTP request may bring.
type Limits struct {
	Head    Size `yaml:"head"`    // bytes of request line and headers
	Headers int  `yaml:"headers"` // number of header fields
	Body    Size `yaml:"body"`    // bytes; 0 for no limit
}

// Cluster is a set of endpoints that can stand in for each other.
type Cluster struct {
	Name           string        `yaml:"name"`
	Endpoints      []Endpoint    `yaml:"endpoints,omitempty"` // or only original_destination
	Discovery      *Discovery    `yaml:"discovery,omitempty"` // who tells endpoints; nil where they are above
	Policy         string        `yaml:"policy"`
	Balance        *Balance      `yaml:"balance,omitempty"`         // nil for DefaultBalance
	LoadWeights    *LoadWeights  `yaml:"weights_by_load,omitempty"` // nil where load has no say
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	MaxIdle        int           `yaml:"max_idle_connections"` // kept per endpoint
	IdleTimeout    time.Duration `yaml:"idle_timeout"`         // of a kept connection
	MaxRequests    int           `yaml:"max_requests_per_connection"`
	ProxyProtocol  string        `yaml:"proxy_protocol"` // off, v1 or v2: what endpoints are told of clients
	Protocol       string        `yaml:"protocol"`       // that HTTP is spoken in: http1, http2 or auto

	HTTP2 ClusterHTTP2 `yaml:"http2"`

	TLS *ClusterTLS `yaml:"tls"` // nil where servers are spoken to without

	CircuitBreakers *CircuitBreakers `yaml:"circuit_breakers,omitempty"` // nil for the defaults
	ConnectBackoff  *ConnectBackoff  `yaml:"connect_backoff,omitempty"`  // likewise

	RetryBudget *RetryBudget `yaml:"retry_budget,omitempty"` // nil for a fixed number of retries

	HealthChecks []ActiveCheck     `yaml:"health_checks,omitempty"` // one at most
	IgnoreNew    bool              `yaml:"ignore_new_hosts_until_first_hc,omitempty"`
	Outliers     *OutlierDetection `yaml:"outlier_detection,omitempty"` // nil for none
}

// Admin is the operator's port.
type Admin struct {
	Address string `yaml:"address"` // host:port, or none
	Token   string `yaml:"token"`   // asked for as a bearer token; must be there off loopback
}

// Store says where history goes.
type Store struct {
	DSN    string        `yaml:"dsn"`    // embedded, none, or clickhouse://, http:// or https:// and so on
	TTL    time.Duration `yaml:"ttl"`    // how long history is kept
	Listen string        `yaml:"listen"` // address of the embedded store
	Data   string        `yaml:"data"`   // folder of the embedded store; empty for the user's data folder
}

// Sinks are further destinations of what is seen.
type Sinks struct {
	JSON JSONSink `yaml:"json"`
}

// JSONSink writes JSON Lines.
type JSONSink struct {
	File string `yaml:"file"` // "-" for standard output; empty for none
}

// Drain says how a shutdown goes.
type Drain struct {
	Delay   time.Duration `yaml:"delay"`   // before connections are accepted no more, while health checks fail already
	Timeout time.Duration `yaml:"timeout"` // for exchanges under way
}

// Redact says what is not kept of what was seen, as it may be personal.
type Redact struct {
	Comments string `yaml:"comments"` // free text of MongoDB comments: off, short or full
}

// GRPC says what is told of calls beyond their method, status and counts.
type GRPC struct {
	Descriptors []string `yaml:"descriptors"` // files: descriptor sets and .proto sources; with them payloads are told as JSON
	Reflect     string   `yaml:"reflect"`     // host:port of a server that tells its descriptors
	Metadata    []string `yaml:"metadata"`    // names of fields that are told
	Payload     Size     `yaml:"payload"`     // bytes of JSON told of a message
}

// Tracing says which spans are told.
type Tracing struct {
	AttemptSpans bool `yaml:"attempt_spans"` // one client span per upstream attempt
}

// Default is the configuration of an empty file.
func Default() *Config {
	return &Config{
		Admin:    Admin{Address: "127.0.0.1:9901"},
		Store:    Store{DSN: "embedded", TTL: 7 * 24 * time.Hour, Listen: "127.0.0.1:8123"},
		Drain:    Drain{Timeout: 10 * time.Second},
		Overload: defaultOverload(),
		Tracing:  Tracing{AttemptSpans: true},
		Redact:   Redact{Comments: "short"},
		GRPC:     GRPC{Payload: 4 << 10},
	}
}

// Clusters are the names of those that the listener's connections may go to.
func (l *Listener) Clusters() (all []string) {
	if l.Cluster != "" {
		all = append(all, l.Cluster)
	}
	for i := range l.Routes {
		all = append(all, l.Routes[i].Targets()...)
	}
	return all
}

func (l *Listener) setDefaults() {
	l.Protocol = Auto
	l.HTTP2 = defaultHTTP2()
	l.UseRemote = true
	l.ForwardCert.Mode = Sanitize
	l.Upgrades = []string{"websocket"}
	l.Transparent = Off
	l.ProxyProtocol = ProxyProtocol{Accept: Off, Timeout: 5 * time.Second}
	l.Limits = Limits{Head: 60 << 10, Headers: 100}
	l.MaxVia, l.RequestID, l.Path.EscapedSlashes = 3, Keep, Keep
	l.Timeouts = Timeouts{
		Detect: 300 * time.Millisecond,
		Header: time.Minute,
		Route:  15 * time.Second,
		Stream: 5 * time.Minute,
		Idle:   time.Hour,
		Hello:  10 * time.Second,
	}
}

// The protocols of a cluster. Which of the first two AutoHTTP is, TLS says
// (ALPN); without TLS it is the first.
const (
	HTTP1    = "http1"
	HTTP2    = "http2"
	AutoHTTP = "auto"
)

// alpn is what a cluster's servers are asked for in TLS.
func (c *Cluster) alpn() []string {
	switch c.Protocol {
	case HTTP2:
		return []string{"h2"}
	case AutoHTTP:
		return []string{"h2", "http/1.1"}
	}
	return nil
}

func (c *Cluster) setDefaults() {
	c.Protocol = HTTP1
	c.HTTP2 = defaultClusterHTTP2()
	c.Policy = "round_robin"
	c.ProxyProtocol = Off
	c.ConnectTimeout = 5 * time.Second
	c.MaxIdle = 1024
	c.IdleTimeout = time.Hour
}

// settle fills in what follows from other keys.
func (c *Config) settle() {
	c.Node.settle()
	for i := range c.Listeners {
		l := &c.Listeners[i]
		if l.Name == "" {
			l.Name = l.Address
		}
		l.Retry.settle()
		l.Sticky.settle()
		for j := range l.Routes {
			l.Routes[j].settle(l)
		}
		for j := range l.AccessLog {
			l.AccessLog[j].settle(l)
		}
	}
	for i := range c.Clusters {
		c.Clusters[i].settleDiscovery()
		c.Clusters[i].settleWeights()
		if cl := &c.Clusters[i]; cl.TLS != nil && len(cl.TLS.ALPN) == 0 {
			cl.TLS.ALPN = cl.alpn()
		}
	}
	c.settleLimits()
}
