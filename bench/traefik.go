package main

import "fmt"

const traefikMain = `entryPoints:
  bench:
    address: "@LISTEN@"
    transport: {respondingTimeouts: {readTimeout: 0s, writeTimeout: 0s, idleTimeout: 600s}}
    http2: {maxConcurrentStreams: 1000}
  ready: {address: "@READY@"}
ping: {manualRouting: true}
providers: {providersThrottleDuration: 1ms, file: {filename: "@DIR@/dynamic.yaml", watch: false}}
global: {checkNewVersion: false, sendAnonymousUsage: false}
log: {level: ERROR}
accessLog: {filePath: /dev/null, bufferingSize: 100}
`

// traefikReady is answered once Traefik has read its ways: it accepts before.
const traefikReady = `http:
  routers:
    ready: {rule: "Path(` + "`/ready`" + `)", entryPoints: [ready], service: "ping@internal"}`

// traefikHTTP is the way of requests: TLS of the router, how the origin is
// spoken to.
const traefikHTTP = traefikReady + `
    all:
      rule: "PathPrefix(` + "`/`" + `)"
      entryPoints: [bench]
      service: o
      %s
  services:
    o: {loadBalancer: {serversTransport: o, servers: [{url: "%s://@UPSTREAM@"}]}}
  serversTransports:
    o: {maxIdleConnsPerHost: 1024}
`

const traefikTLS = `
tls:
  certificates: [{certFile: "@DIR@/cert.pem", keyFile: "@DIR@/key.pem"}]
`

const traefikTCP = traefikReady + `
tcp:
  routers:
    all: {rule: "HostSNI(` + "`*`" + `)", entryPoints: [bench], service: o}
  services:
    o: {loadBalancer: {servers: [{address: "@UPSTREAM@"}]}}
`

// traefikPeer is Traefik as people run it: with an access log.
func traefikPeer(dynamic string) peer {
	return peer{"traefik + log", []string{"traefik", "--configFile=@DIR@/traefik.yaml"},
		map[string]string{"traefik.yaml": traefikMain, "dynamic.yaml": dynamic}}
}

// traefikWeb forwards requests to an origin that is spoken to in scheme.
func traefikWeb(scheme string) peer { return traefikPeer(fmt.Sprintf(traefikHTTP, "", scheme)) }

func traefikSecure() peer {
	return traefikPeer(fmt.Sprintf(traefikHTTP, "tls: {}", "http") + traefikTLS)
}
