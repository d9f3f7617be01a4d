package main

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const nginxMain = `daemon off; worker_processes 1; worker_rlimit_nofile 60000; error_log stderr crit; pid @DIR@/pid;
events { worker_connections 30000; }
`

const nginxHTTP = nginxMain + `http { access_log off; keepalive_requests 100000000; keepalive_timeout 600s; tcp_nodelay on;
client_body_temp_path @DIR@/b; proxy_temp_path @DIR@/p; fastcgi_temp_path @DIR@/f; uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;
upstream o { server @UPSTREAM@; keepalive 1024; keepalive_requests 100000000; }
server { listen @LISTEN@ backlog=8192; location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; } } }
`

const haproxyMain = `global
  no strict-limits
  maxconn 40000
  nbthread 1
defaults
  mode %s
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  maxconn 40000
  backlog 8192
  %s
frontend f
  bind @LISTEN@
  default_backend b
backend b
  server o @UPSTREAM@
`

func nginxPeer(conf string) peer {
	return peer{"nginx", []string{"nginx", "-p", "@DIR@", "-c", "@DIR@/nginx.conf"}, map[string]string{"nginx.conf": conf}}
}

func haproxyPeer(mode, more string) peer {
	return peer{"haproxy", []string{"haproxy", "-db", "-f", "@DIR@/haproxy.cfg"}, map[string]string{"haproxy.cfg": fmt.Sprintf(haproxyMain, mode, more)}}
}

// pitotPeers are pitot for a protocol.
func pitotPeers(o options, protocol string) []peer { return pitotOf(o, protocol, "", "") }

const requestHead = "GET /1k HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nX-Request-Id: 3f2504e0-4f89-41d3-9a0c-0305e82c3301\r\n\r\n"

func benchHTTP1(o options, dir string) error {
	return forwarding{
		title:  "HTTP/1.1, 1 KiB answers, keep-alive",
		unit:   "CPU s / 100k requests",
		origin: http1Origin(body1k),
		client: dialHTTP([]byte(requestHead), len(body1k)),
		peers:  http1Peers(o),
		bases:  webBases,
	}.run(o, dir)
}

// mongoFind is a find of one document, and its answer.
func mongoFind() (find, reply []byte, err error) {
	find, err = opMsg(7, 0, bson.D{{Key: "find", Value: "orders"}, {Key: "filter", Value: bson.D{{Key: "user", Value: 7}}},
		{Key: "limit", Value: 1}, {Key: "comment", Value: `{"callingFunction":"Cart.load"}`}, {Key: "$db", Value: "shop"}})
	if err != nil {
		return nil, nil, err
	}
	reply, err = opMsg(1, 7, bson.D{{Key: "cursor", Value: bson.D{{Key: "firstBatch", Value: bson.A{bson.D{{Key: "_id", Value: 1}, {Key: "user", Value: 7}, {Key: "pad", Value: string(body1k[:300])}}}},
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: "shop.orders"}}}, {Key: "ok", Value: 1.0}})
	return find, reply, err
}

func benchMongo(o options, dir string) error {
	find, reply, err := mongoFind()
	if err != nil {
		return err
	}
	return forwarding{
		title:  "MongoDB, find of one document",
		unit:   "CPU s / 100k commands",
		origin: func() (string, func(), error) { return serve(untilMessage, func([]byte) []byte { return reply }) },
		client: dialExchange(find, reply),
		peers:  append(tcpPeers(), pitotPeers(o, "mongodb")...),
		bases:  tcpBases,
	}.run(o, dir)
}

func benchTCP(o options, dir string) error {
	return forwarding{
		title:  "TCP, 1 KiB request and answer",
		unit:   "CPU s / 100k round trips",
		origin: tcpOrigin,
		client: dialExchange(body1k, body1k),
		peers:  append(tcpPeers(), pitotPeers(o, "tcp")...),
		bases:  tcpBases,
	}.run(o, dir)
}

// tcpPeers forward bytes as they are. Caddy cannot without a plugin.
func tcpPeers() []peer {
	return []peer{haproxyPeer("tcp", ""), envoyStream(), traefikPeer(traefikTCP)}
}

var tcpBases = []string{"haproxy", "envoy + log", "traefik + log", "pitot, spans off"}

func tcpOrigin() (string, func(), error) {
	return serve(untilFull, func([]byte) []byte { return body1k })
}

func untilFull(b []byte) int {
	if len(b) >= len(body1k) {
		return len(body1k)
	}
	return 0
}
