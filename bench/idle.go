package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"time"
)

// idleClients are connections of one kind that wait.
type idleClients struct {
	what   string
	peers  []peer
	until  func([]byte) int
	answer []byte
	client func(net.Conn) (client, error)
}

// benchIdle holds many connections that have done one exchange each.
func benchIdle(o options, dir string) error {
	if _, err := os.Stat(o.pitot); err != nil {
		return errNoPitot
	}
	all, err := idleKinds(o)
	if err != nil {
		return err
	}
	for _, w := range all {
		t := newTable(fmt.Sprintf("Memory of %d idle %s connections", o.idle, w.what), "KiB each", "whole process, KiB", "nginx", "haproxy", "envoy + log")
		upstream, stop, err := serve(w.until, func([]byte) []byte { return w.answer })
		if err != nil {
			return err
		}
		for _, p := range (forwarding{peers: w.peers}).present(o) {
			each, all, err := idleOnce(p, o, dir, upstream, w.client)
			if err != nil {
				stop()
				return fmt.Errorf("%s: %w", p.name, err)
			}
			t.add(p.name, each, all)
		}
		stop()
		t.print()
	}
	return nil
}

func idleKinds(o options) ([]idleClients, error) {
	find, reply, err := mongoFind()
	if err != nil {
		return nil, err
	}
	answer := append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n"), body1k...)
	secure, err := tlsPeers(o)
	if err != nil {
		return nil, err
	}
	http := func(c net.Conn) (client, error) {
		return &httpClient{c, []byte(requestHead), len(body1k), idleBuffer}, nil
	}
	overTLS := func(c net.Conn) (client, error) {
		return http(tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, ServerName: "shop.example"}))
	}
	exchanges := func(request, answer []byte) func(net.Conn) (client, error) {
		return func(c net.Conn) (client, error) { return &exchange{c, request, idleBuffer[:len(answer)]}, nil }
	}
	return []idleClients{
		{"HTTP/1.1", append([]peer{nginxPeer(nginxHTTP), haproxyPeer("http", "option http-keep-alive"), envoyPeer("HTTP1", "", ""),
			caddyPeer("h1", "http://:@PORT@", "", ""), traefikWeb("http")}, pitotPeers(o, "http")[0]), untilHead, answer, http},
		{"HTTP/1.1 over TLS", secure[:len(secure)-1], untilHead, answer, overTLS},
		{"HTTP/2", append([]peer{nginxPeer(fmt.Sprintf(nginxH2, `proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection "";`)),
			haproxyWebPeer("proto h2", ""), envoyPeer("HTTP2", "", ""), caddyPeer("h1 h2c", "http://:@PORT@", "", ""), traefikWeb("http")}, pitotWebPeers(o, "", "")[0]), untilHead, answer, getH2},
		{"TCP", append(tcpPeers(), pitotPeers(o, "tcp")[0]), untilFull, body1k, exchanges(body1k, body1k)},
		{"MongoDB", append(tcpPeers(), pitotPeers(o, "mongodb")[0], pitotPeers(o, "auto")[0].named("pitot, auto")), untilMessage, reply, exchanges(find, reply)},
	}, nil
}

// idleOnce opens the connections, one after the other, and measures what each
// has added to the peer's memory.
func idleOnce(p peer, o options, dir, upstream string, dial func(net.Conn) (client, error)) (each, all float64, err error) {
	r, err := p.start(dir, upstream)
	if err != nil {
		return 0, 0, err
	}
	defer r.stop()
	before := r.memory()
	var open []client
	defer func() {
		for _, c := range open {
			c.close()
		}
	}()
	for range o.idle {
		conn, err := net.Dial("tcp", r.listen)
		if err != nil {
			return 0, 0, err
		}
		c, err := dial(conn)
		if err != nil {
			return 0, 0, err
		}
		open = append(open, c)
		if err := c.once(); err != nil {
			return 0, 0, err
		}
	}
	time.Sleep(o.settle) // let the peer give back what it means to
	after := r.memory()
	return float64(after-before) / float64(o.idle), float64(after), nil
}

// idleBuffer serves all idle connections: they take turns.
var idleBuffer = make([]byte, 64<<10)
