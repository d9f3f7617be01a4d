package main

import (
	"bytes"
	"net"
)

const upgradeRequest = "GET /echo HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
const upgradeAnswer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

const nginxUpgrade = nginxMain + `http { access_log off; keepalive_timeout 600s; tcp_nodelay on;
client_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p; fastcgi_temp_path @DIR@/f; uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;
server { listen @LISTEN@ backlog=8192; location / { proxy_pass http://@UPSTREAM@; proxy_http_version 1.1; proxy_read_timeout 600s;
proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } } }
`

// echoes are messages of 64 bytes, and an origin that sends them back.
type echoes struct{ masked, echo []byte }

func newEchoes() *echoes {
	return &echoes{
		masked: append([]byte{0x82, 0x80 | 64, 0, 0, 0, 0}, body1k[:64]...), // a mask of zeros is one
		echo:   append([]byte{0x82, 64}, body1k[:64]...),
	}
}

func (e *echoes) until(b []byte) int {
	if n := untilHead(b); n > 0 && b[0] == 'G' {
		return n
	}
	if len(b) >= len(e.masked) && b[0] == e.masked[0] {
		return len(e.masked)
	}
	return 0
}

func (e *echoes) answer(request []byte) []byte {
	if request[0] == 'G' {
		return []byte(upgradeAnswer)
	}
	return e.echo
}

func (e *echoes) origin() (string, func(), error) { return serve(e.until, e.answer) }

func (e *echoes) dial(address string) (client, error) {
	return dialWebSocket(address, e.masked, len(e.echo))
}

func webSocketPeers(o options) []peer {
	return append([]peer{nginxPeer(nginxUpgrade), haproxyWebPeer("", ""), envoyPeer("HTTP1", "", ""), caddyPeer("h1", "http://:@PORT@", "", ""), traefikWeb("http")},
		pitotPeers(o, "http")...)
}

func benchWebSocket(o options, dir string) error {
	e := newEchoes()
	return forwarding{
		title: "WebSocket, 64-byte message echoed", unit: "CPU s / 100k messages",
		origin: e.origin, client: e.dial, peers: webSocketPeers(o), bases: webBases,
	}.run(o, dir)
}

func dialWebSocket(address string, message []byte, back int) (client, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write([]byte(upgradeRequest)); err != nil {
		return nil, err
	}
	buf, have := make([]byte, 4096), 0
	for !bytes.Contains(buf[:have], []byte("\r\n\r\n")) {
		n, err := c.Read(buf[have:])
		if err != nil {
			return nil, err
		}
		have += n
	}
	return &exchange{c, message, make([]byte, back)}, nil
}
