// Package proxy takes connections, finds out what is spoken on them, and
// brings them to clusters of upstream hosts, showing every byte to the tap
// before it goes on.
package proxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/accesslog"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/mongo"
	"github.com/pitot-io/pitot/proxy/overload"
	"github.com/pitot-io/pitot/proxy/probe"
	"github.com/pitot-io/pitot/proxy/ratelimit"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/shed"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// Handler speaks one protocol with the clients of one listener. A protocol
// server is one file or folder that makes a Handler, and one line in servers.
type Handler interface {
	// Serve talks with one client. It calls done, once, when the connection
	// is over; that closes c, which the handler may close sooner. Serve may
	// return before that, when goroutines of the handler's own go on: what
	// setting a connection up has taken of the stack is free then. first is
	// what was read from c already.
	//
	// ctx ends when the proxy gives up what is still under way; c and all
	// connections of the clusters are closed at the same time, so that no
	// read outlasts it.
	Serve(ctx context.Context, c *socket.Stream, first []byte, info ConnInfo, done func())

	// Drain ends connections on which nothing is under way, and sees to it
	// that the others end soon. It is called again and again while the proxy
	// drains, and does not wait.
	Drain()

	// Close breaks off what is still under way and waits for goroutines of
	// the handler's own. Connections are over soon after.
	Close()
}

// ConnInfo is what is known of a client's connection.
type ConnInfo struct {
	ID       int64          // number of the connection: an exchange's Stream, and the key of Hub.Publisher
	Client   netip.AddrPort // the peer
	Server   netip.AddrPort // the address that it connected to
	Unix     string         // or the path, where it is a Unix socket: both addresses are invalid then
	Accepted int64          // ns since the Unix epoch
	Cert     hop.ClientCert // what is told of the client's certificate

	TLS *tls.ConnectionState // of the client's session; nil without
}

// Setup is what a Handler is made of: its listener and what all of them share.
type Setup struct {
	Listener  *config.Listener
	Clusters  map[string]*upstream.Cluster // of the configuration; all that the listener names are there
	Hub       *tap.Hub
	Names     tap.Names // of services
	IDs       tap.IDs
	Protocols []decode.Protocol
	Layers    []decode.Layer // that ride on HTTP
	Stats     *ListenerStats
	Failures  *Counter // of decoders
	Attempts  bool     // tell a span for each upstream attempt
	Log       *slog.Logger
	buffers   *buffers
	routes    *routes        // the listener's, as they are at any time
	compiled  *route.Table   // as they are for this configuration
	accessLog *accesslog.Log // nil for none
	limits    *ratelimit.Set
	shed      *shed.Set
	overload  *overload.Manager
	gate      *mongo.Gate                            // of the listener's commands of MongoDB, at any time
	commands  []mongo.Guard                          // about them, for this configuration
	state     *probe.State                           // of the whole proxy
	latest    func(cluster string) *upstream.Cluster // as it is at any time; nil for none
}

// meta is what a span tells of the way to an upstream host.
func (s *Setup) meta(cluster string, h *upstream.Host, info ConnInfo) tap.Meta {
	m := tap.Meta{Listener: s.Listener.Name, Unix: info.Unix, Cluster: cluster, Service: s.serviceOf(cluster), Names: s.Names, IDs: s.IDs}
	if h != nil {
		m.Endpoint = h.Address()
	}
	return m
}
