package main

import (
	"fmt"
	"net"
)

// envoyMain is Envoy's configuration: the codec of the listener, its TLS, the
// options of the cluster.
const envoyMain = `static_resources:
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: @PORT@}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          codec_type: %s
          stream_idle_timeout: 600s
          upgrade_configs: [{upgrade_type: websocket}]
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: /dev/null
          route_config:
            virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: o, timeout: 600s}}]}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
%s
` + envoyCluster

const envoyCluster = `  clusters:
  - name: o
    type: STATIC
    connect_timeout: 5s
    circuit_breakers: {thresholds: [{max_connections: 40000, max_pending_requests: 40000, max_requests: 100000}]}
%s
    load_assignment:
      cluster_name: o
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: @UPPORT@}}}}]}]
`

const envoyTCP = `static_resources:
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: @PORT@}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: bench
          cluster: o
          idle_timeout: 600s
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: /dev/null
` + envoyCluster

const envoyTLS = `      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context: {tls_certificates: [{certificate_chain: {filename: @DIR@/cert.pem}, private_key: {filename: @DIR@/key.pem}}]}`

const envoyToH2 = `    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 1000}}`

// envoyPeer is Envoy as people run it: with an access log.
func envoyPeer(codec, secure, cluster string) peer {
	return envoyOf(fmt.Sprintf(envoyMain, codec, secure, cluster))
}

// envoyStream is Envoy for TCP.
func envoyStream() peer { return envoyOf(fmt.Sprintf(envoyTCP, "")) }

func envoyOf(config string) peer {
	return peer{"envoy + log", []string{"envoy", "-c", "@DIR@/envoy.yaml", "--concurrency", "1", "-l", "off", "--disable-hot-restart"},
		map[string]string{"envoy.yaml": config}}
}

const nginxTLS = nginxMain + `http { access_log off; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on;
client_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p; fastcgi_temp_path @DIR@/f; uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;
upstream o { server @UPSTREAM@; keepalive 1024; keepalive_requests 100000000; }
server { listen @LISTEN@ ssl backlog=8192; ssl_certificate @DIR@/cert.pem; ssl_certificate_key @DIR@/key.pem; ssl_protocols TLSv1.3;
location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; } } }
`

const nginxH2 = nginxMain + `http { access_log off; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on; http2_max_concurrent_streams 1000;
client_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p; fastcgi_temp_path @DIR@/f; uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;
upstream o { server @UPSTREAM@; keepalive 1024; keepalive_requests 100000000; }
server { listen @LISTEN@ http2 backlog=8192; location / { %s } } }
`

const haproxyWeb = `global
  no strict-limits
  maxconn 40000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
  maxconn 40000
  backlog 8192
  option http-keep-alive
frontend f
  bind @LISTEN@ %s
  default_backend b
backend b
  http-reuse always
  server o @UPSTREAM@ %s
`

func haproxyWebPeer(bind, server string) peer {
	return peer{"haproxy", []string{"haproxy", "-db", "-f", "@DIR@/haproxy.cfg"}, map[string]string{"haproxy.cfg": fmt.Sprintf(haproxyWeb, bind, server)}}
}

const pitotWeb = `listeners:
  - name: bench
    address: "@LISTEN@"
    protocol: %s
    cluster: origin
%s
clusters:
  - name: origin
    endpoints: ["@UPSTREAM@"]
    circuit_breakers: {default: {max_connections: 40000, max_pending_requests: 40000, max_requests: 100000}}
%s
`

// pitotWebPeers are pitot for HTTP.
func pitotWebPeers(o options, listener, cluster string) []peer {
	return pitotOf(o, "http", listener, cluster)
}

// pitotOf are pitot from a file, with spans written out, and with nobody subscribed.
func pitotOf(o options, protocol, listener, cluster string) []peer {
	file := map[string]string{"pitot.yaml": fmt.Sprintf(pitotWeb, protocol, listener, cluster)}
	run := []string{o.pitot, "proxy", "-c", "@DIR@/pitot.yaml", "--store", "none"}
	return []peer{
		{"pitot", append(append([]string{}, run...), "--admin", "127.0.0.1:0", "--json-file", "/dev/null"), file},
		{"pitot, spans off", append(append([]string{}, run...), "--admin", "none"), file},
	}
}

// fillPorts has a peer's files name ports alone, as Envoy wants them.
func fillPorts(listen, upstream string) []string {
	_, port, _ := net.SplitHostPort(listen)
	_, upPort, _ := net.SplitHostPort(upstream)
	return []string{"@PORT@", port, "@UPPORT@", upPort}
}

var webBases = []string{"nginx", "haproxy", "envoy + log", "caddy + log", "traefik + log", "pitot, spans off"}

func http1Peers(o options) []peer {
	return append([]peer{nginxPeer(nginxHTTP), haproxyPeer("http", "option http-keep-alive"), envoyPeer("HTTP1", "", ""), caddyPeer("h1", "http://:@PORT@", "", ""), traefikWeb("http")}, pitotPeers(o, "http")...)
}

func http1Origin(body []byte) func() (string, func(), error) {
	answer := append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", len(body)), body...)
	return func() (string, func(), error) { return serve(untilHead, func([]byte) []byte { return answer }) }
}

// benchNew asks for every answer on a connection of its own.
func benchNew(o options, dir string) error {
	return forwarding{
		title: "HTTP/1.1, 1 KiB answers, a new connection each", unit: "CPU s / 100k requests",
		origin: http1Origin(body1k), peers: http1Peers(o), bases: webBases,
		client: func(address string) (client, error) {
			return &fresh{address, dialHTTP([]byte(requestHead), len(body1k))}, nil
		},
	}.run(o, dir)
}

// fresh is a client that dials for every request.
type fresh struct {
	address string
	dial    func(string) (client, error)
}

func (f *fresh) once() error {
	c, err := f.dial(f.address)
	if err != nil {
		return err
	}
	defer c.close()
	return c.once()
}

func (f *fresh) close() {}

// benchMiB moves bodies of 1 MiB.
func benchMiB(o options, dir string) error {
	body := make([]byte, 1<<20)
	o.conns = min(o.conns, 16)
	return forwarding{
		title: "HTTP/1.1, 1 MiB answers", unit: "CPU s / 100k requests", origin: http1Origin(body), peers: http1Peers(o), bases: webBases,
		client: dialHTTP([]byte(requestHead), len(body)),
	}.run(o, dir)
}

// certified has every peer find a certificate in its folder.
func certified(peers []peer) ([]peer, error) {
	cert, key, err := selfSigned()
	if err != nil {
		return nil, err
	}
	for i := range peers {
		files := map[string]string{"cert.pem": cert, "key.pem": key, "both.pem": cert + key}
		for name, text := range peers[i].files {
			files[name] = text
		}
		peers[i].files = files
	}
	return peers, nil
}

const pitotTLS = `    tls:
      certificates:
        - {cert: "@DIR@/cert.pem", key: "@DIR@/key.pem"}`

func tlsPeers(o options) ([]peer, error) {
	return certified(append([]peer{nginxPeer(nginxTLS), haproxyWebPeer("ssl crt @DIR@/both.pem", ""), envoyPeer("HTTP1", envoyTLS, ""),
		caddyPeer("h1", "https://:@PORT@", "tls @DIR@/cert.pem @DIR@/key.pem", ""), traefikSecure()}, pitotWebPeers(o, pitotTLS, "")...))
}

func benchTLS(o options, dir string) error {
	return benchSecure(o, dir, "HTTP/1.1 over TLS 1.3, 1 KiB answers, keep-alive", dialTLS([]byte(requestHead)))
}

// benchHandshakes makes a whole handshake for every request.
func benchHandshakes(o options, dir string) error {
	return benchSecure(o, dir, "HTTP/1.1 over TLS 1.3, a new connection and full handshake each", func(address string) (client, error) {
		return &fresh{address, dialTLS([]byte(requestHead))}, nil
	})
}

func benchSecure(o options, dir, title string, dial func(string) (client, error)) error {
	peers, err := tlsPeers(o)
	if err != nil {
		return err
	}
	return forwarding{title: title, unit: "CPU s / 100k requests", origin: http1Origin(body1k), client: dial, peers: peers, bases: webBases}.run(o, dir)
}
