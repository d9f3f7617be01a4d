package proxy

import (
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/accesslog"
	"github.com/pitot-io/pitot/proxy/format"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// connLog is the line of a connection that is forwarded as it is, while that is
// open. A nil one writes nothing.
type connLog struct {
	log      *accesslog.Log
	info     ConnInfo
	listener string
}

// connLog begins the line of a connection, nil where the listener has no log.
func (s *Setup) connLog(info ConnInfo) *connLog {
	if s.accessLog == nil {
		return nil
	}
	return &connLog{s.accessLog, info, s.Listener.Name}
}

// asked notes the name that a client asks for in TLS which is passed on, where
// somebody wants to know.
func (s *Setup) asked(info *ConnInfo, name string) {
	if s.accessLog != nil && info.TLS == nil && name != "" {
		info.TLS = &tls.ConnectionState{ServerName: name}
	}
}

// ending is how a connection came to its end.
type ending struct {
	cluster        string
	host           *upstream.Host // nil where there was none
	up             *upstream.Conn // nil where there was none
	received, sent int64          // bytes, of the client's
	flags          event.ResponseFlags
	why            string // CONNECTION_TERMINATION_DETAILS; empty for an end in order
}

// over writes the line.
func (l *connLog) over(e *ending) {
	if l == nil {
		return
	}
	x := event.Exchange{
		Protocol: event.TCP, Client: l.info.Client, Server: l.info.Server, Unix: l.info.Unix, Stream: l.info.ID,
		Start: l.info.Accepted, End: time.Now().UnixNano(), RequestBytes: e.received, ResponseBytes: e.sent,
		Listener: l.listener, Cluster: e.cluster, Flags: e.flags,
		HTTP: &event.HTTP{RequestBody: e.received, ResponseBody: e.sent},
	}
	entry := format.Entry{X: &x, Connection: true, Termination: e.why, TLS: l.info.TLS}
	if e.host != nil {
		x.Endpoint = e.host.Address()
	}
	if e.up != nil {
		entry.UpstreamLocal, entry.UpstreamRemote = ends(&e.up.Stream)
		entry.UpstreamSent, entry.UpstreamReceived = e.received, e.sent
	}
	l.log.Log(&entry)
}

// ends are the addresses of a connection; both are invalid for Unix sockets.
func ends(c *socket.Stream) (local, remote netip.AddrPort) {
	return socket.AddrPort(c.Socket.LocalAddr()), socket.AddrPort(c.Socket.RemoteAddr())
}

// Values of CONNECTION_TERMINATION_DETAILS.
const (
	endedIdle     = "idle_timeout"
	endedClient   = "downstream_reset"
	endedUpstream = "upstream_reset"
	endedDrain    = "drain"
	endedNoRoute  = "route_not_found"
	endedNoHost   = "no_healthy_upstream"
	endedConnect  = "connect_failed"
	endedSilent   = "no_client_hello"
)

// ended says how the pair came to its end.
func (p *pair) ended(f event.ResponseFlags) string {
	switch {
	case f&event.FlagSI != 0:
		return endedIdle
	case f&event.FlagDC != 0:
		return endedClient
	case f&event.FlagUC != 0:
		return endedUpstream
	case p.drained.Load():
		return endedDrain
	}
	return ""
}
