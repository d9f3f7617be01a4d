// Package hop is what makes the proxy one hop of an HTTP exchange, whoever
// carries that out, proxy/h1 between two sockets that speak HTTP/1.1 or
// proxy/relay between any versions: the fields that it adds and drops, its own
// answers, its spans.
package hop

import (
	"crypto/tls"
	"net/netip"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/tap"
)

// Route says what becomes of a request.
type Route = route.Route

// Router finds the route of a request; nil means that no route takes it. What
// it gives back is read only.
type Router func(*http1.Head) *Route

// Info is what is known of a client's connection.
type Info struct {
	ID       int64          // an exchange's Stream, and the key of Publish
	Client   netip.AddrPort // the peer
	Server   netip.AddrPort // the address that it connected to
	Unix     string         // or the path, where it is a Unix socket: both addresses are invalid then
	Accepted int64          // ns since the Unix epoch
	Cert     ClientCert     // what is told of the client's certificate

	TLS *tls.ConnectionState // of the client's session; nil without
}

// Stats count what happens on a listener.
type Stats interface {
	RequestBegins()
	// RequestEnds tells the status, 0 when there was no answer, the bytes
	// exchanged with the client, and whether that broke off.
	RequestEnds(status int, received, sent int64, reset bool)
	Transferred(received, sent int64) // in a tunnel
	ProtocolError()
	TrailersDropped() // of a body of known length, towards HTTP/1.1
	IdleTimeout()
}

// Idempotent reports whether doing what a method asks for twice is as good as
// once (RFC 9110, 9.2.2).
func Idempotent(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// Inline describes a client's connection for who listens to its bytes.
func Inline(i *Info, listener string) tap.Inline {
	return tap.Inline{ID: i.ID, Listener: listener, Client: i.Client, Server: i.Server}
}

// Preface reports whether b begins as a client of HTTP/2 does that knows that
// it is understood (RFC 9113, 3.4): with a request that HTTP/1.1 refuses.
func Preface(b []byte) bool {
	const start = "PRI * HTTP/2.0\r\n"
	return len(b) >= len(start) && string(b[:len(start)]) == start
}
