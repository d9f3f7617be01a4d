// Package proxy takes connections, finds out what is spoken on them, and
// brings them to clusters of upstream hosts, showing every byte to the tap
// before it goes on.
package proxy

import (
	"context"
	"log/slog"
	"net"
	"net/netip"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// Handler speaks one protocol with the clients of one listener. A protocol
// server is one file or folder that makes a Handler, and one line in the list
// of servers.
type Handler interface {
	// Serve talks with one client until the connection is over. c is closed
	// by the caller afterwards; the handler may close it, or its sides,
	// sooner. first is what was read from c already: its bytes are valid
	// until Serve returns.
	//
	// ctx ends when the proxy does: whatever is under way is given up then,
	// and it is what upstream hosts are dialled with. At the same time c and
	// all connections of the clusters are closed, so that no read outlasts it.
	Serve(ctx context.Context, c *net.TCPConn, first []byte, info ConnInfo)
}

// ConnInfo is what is known of a client's connection.
type ConnInfo struct {
	ID       int64          // number of the connection: an exchange's Stream, and the key of Hub.Publisher
	Client   netip.AddrPort // the peer
	Server   netip.AddrPort // the address that it connected to
	Accepted int64          // ns since the Unix epoch

	// Drain is done when no new exchange may begin: the one under way is
	// finished, an idle connection closed. context.AfterFunc wakes a reader.
	Drain context.Context
}

// Setup is what a Handler is made of: its listener and what all of them share.
type Setup struct {
	Listener  *config.Listener
	Clusters  map[string]*upstream.Cluster // of the configuration; all that the listener names are there
	Hub       *tap.Hub
	Names     tap.Names // of services
	IDs       tap.IDs
	Protocols []decode.Protocol
	Stats     *ListenerStats
	Attempts  bool // tell a span for each upstream attempt
	Log       *slog.Logger
}

// ProtocolServer is one entry of the list of servers: the protocol's name in a
// listener's configuration, and how its handler is made.
type ProtocolServer struct {
	Name string
	New  func(Setup) (Handler, error)
}
