package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/net/http2"
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
		t := newTable(fmt.Sprintf("Memory of %d idle %s connections", o.idle, w.what), "KiB each", "whole process, KiB", "nginx", "haproxy")
		upstream, stop, err := serve(w.until, func([]byte) []byte { return w.answer })
		if err != nil {
			return err
		}
		for _, p := range (forwarding{peers: w.peers}).present() {
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
		{"HTTP/1.1", append([]peer{nginxPeer(nginxHTTP), haproxyPeer("http", "option http-keep-alive"), envoyPeer("HTTP1", "", "")}, pitotPeers(o, "http")[0]), untilHead, answer, http},
		{"HTTP/1.1 over TLS", secure[:len(secure)-1], untilHead, answer, overTLS},
		{"HTTP/2", append([]peer{nginxPeer(fmt.Sprintf(nginxH2, `proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection "";`)),
			haproxyWebPeer("proto h2", ""), envoyPeer("HTTP2", "", "")}, pitotWebPeers(o, "", "")[0]), untilHead, answer, dialIdleH2},
		{"TCP", append([]peer{haproxyPeer("tcp", "")}, pitotPeers(o, "tcp")[0]), untilFull, body1k, exchanges(body1k, body1k)},
		{"MongoDB", append([]peer{haproxyPeer("tcp", "")}, pitotPeers(o, "mongodb")[0], pitotPeers(o, "auto")[0].named("pitot, auto")), untilMessage, reply, exchanges(find, reply)},
	}, nil
}

// idleH2 asks for one answer on a connection of HTTP/2, with as little as that
// takes.
type idleH2 struct {
	net.Conn
	frames *http2.Framer
}

func dialIdleH2(c net.Conn) (client, error) {
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	h := &idleH2{c, http2.NewFramer(c, c)}
	return h, h.frames.WriteSettings()
}

// getK is GET /1k of shop.example in HPACK, without its tables but the static.
var getK = []byte("\x82\x86\x04\x03/1k\x01\x0cshop.example")

func (h *idleH2) once() error {
	if err := h.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: getK, EndStream: true, EndHeaders: true}); err != nil {
		return err
	}
	for {
		f, err := h.frames.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := h.frames.WriteSettingsAck(); err != nil {
					return err
				}
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Errorf("%v", f)
		case *http2.DataFrame:
			if f.StreamEnded() {
				return nil
			}
		}
	}
}

func (h *idleH2) close() { h.Close() }

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
	time.Sleep(3 * time.Second) // let the peer give back what it means to
	after := r.memory()
	return float64(after-before) / float64(o.idle), float64(after), nil
}

// idleBuffer serves all idle connections: they take turns.
var idleBuffer = make([]byte, 64<<10)
