package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-io/pitot/decode/proxyproto"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/socket"
)

// whence finds out whose connection a listener has got, where that is not who
// opened it, and where it was meant to go: from netfilter and from the header of
// a proxy before this one.
type whence struct {
	transparent string
	accept      string
	trusted     []netip.Prefix // empty for everybody
	timeout     time.Duration
	own         func(netip.AddrPort) bool // addresses of the proxy itself
	buffers     *buffers
	stats       *ListenerStats
}

// newWhence is nil where a connection is what it seems to be.
func newWhence(c *config.Listener, own func(netip.AddrPort) bool, b *buffers, stats *ListenerStats) *whence {
	p := &c.ProxyProtocol
	if c.Transparent == config.Off && p.Accept == config.Off {
		return nil
	}
	return &whence{
		transparent: c.Transparent, accept: p.Accept, trusted: p.Trusts(), timeout: p.Timeout, own: own, buffers: b, stats: stats,
	}
}

// names reports whether it is only a header that says whose a connection is.
func (o *whence) names() bool { return o != nil && o.accept != config.Off }

// find sets the addresses of info right. The header is nil where none was sent.
func (o *whence) find(c socket.Conn, info *ConnInfo) (*proxyproto.Header, error) {
	if o.transparent != config.Off {
		if err := o.destination(c, info); err != nil {
			return nil, err
		}
	}
	if o.accept == config.Off {
		return nil, nil
	}
	h, err := o.header(c, info)
	if err != nil {
		o.stats.ProxyError.Add(1)
		return nil, err
	}
	if h == nil {
		return nil, nil
	}
	o.stats.ProxyFound.Add(1)
	if !h.Local {
		info.Client, info.Server, info.Unix = h.Source, h.Destination, ""
	}
	return h, nil
}

// errOwn says that a client went to a transparent listener itself.
var errOwn = errors.New("the connection's destination is the proxy itself: only redirected connections belong here")

// destination finds where a redirected connection was meant to go. What was
// not redirected must not be forwarded: that would come back for ever.
func (o *whence) destination(c socket.Conn, info *ConnInfo) error {
	to := info.Server // TPROXY leaves the destination as it was
	if o.transparent == config.Redirected {
		var err error
		if to, err = socket.Original(c); err != nil {
			o.stats.CxLoop.Add(1)
			return fmt.Errorf("%w (%w)", errOwn, err)
		}
	}
	if o.own(to) {
		o.stats.CxLoop.Add(1)
		return errOwn
	}
	info.Server = to
	return nil
}

// header reads the PROXY header, where there is one.
func (o *whence) header(c socket.Conn, info *ConnInfo) (*proxyproto.Header, error) {
	if !o.trusts(info.Client) {
		if o.accept == config.Optional {
			return nil, nil // whatever it says, it is not believed, nor taken away
		}
		return nil, fmt.Errorf("PROXY header of %s, which is not trusted", info.Client.Addr())
	}
	buf := o.buffers.get()
	defer o.buffers.put(buf)
	var h proxyproto.Header
	err := socket.Peek(c, buf[:proxyproto.DefaultLimit], time.Now().Add(o.timeout), func(b []byte) (n int, err error) {
		h, n, err = proxyproto.Parse(b, proxyproto.DefaultLimit)
		return n, err
	})
	switch {
	case err == nil:
		return &h, nil
	case o.accept == config.Optional && !errors.Is(err, proxyproto.ErrWrong):
		return nil, nil // who says nothing, or something else, is a client of its own
	}
	return nil, err
}

func (o *whence) trusts(a netip.AddrPort) bool {
	if len(o.trusted) == 0 || !a.IsValid() { // a Unix socket's file says who may come
		return true
	}
	for _, n := range o.trusted {
		if n.Contains(a.Addr()) {
			return true
		}
	}
	return false
}

// misled resets a connection of which it cannot be said whose it is.
func (l *listener) misled(c socket.Conn, info ConnInfo, err error) {
	socket.Abort(c)
	l.tell(info.ID, &event.Notice{
		Time: time.Now().UnixNano(), Name: event.EventOrigin, Severity: event.Warn,
		Body: err.Error(), Attributes: l.origins(info),
	})
	l.leave(c)
}

// proxied tells what a proxy before this one said beyond addresses. peer is
// who opened the connection.
func (l *listener) proxied(h *proxyproto.Header, info ConnInfo, peer netip.AddrPort) {
	n := event.Notice{
		Time: time.Now().UnixNano(), Name: event.EventProxied,
		Body: "proxy protocol v" + strconv.Itoa(h.Version) + " from " + peer.String(), Attributes: l.origins(info),
	}
	add := func(k, v string) {
		if v != "" {
			n.Attributes = append(n.Attributes, event.KeyValue{Key: k, Value: v})
		}
	}
	add("authority", h.Authority)
	add("alpn", h.ALPN)
	if len(h.UniqueID) > 0 {
		add("unique_id", strings.Trim(strconv.QuoteToASCII(string(h.UniqueID)), `"`))
	}
	if t := h.TLS; t != nil {
		add(event.AttrTLSVersion, t.Version)
		add(event.AttrTLSCipher, t.Cipher)
		add("client_certificate", t.CommonName)
		add("client_verified", strconv.FormatBool(t.Verified))
	}
	l.tell(info.ID, &n)
}

func (l *listener) origins(info ConnInfo) []event.KeyValue {
	all := []event.KeyValue{{Key: "listener", Value: l.name}}
	if info.Client.IsValid() {
		all = append(all, event.KeyValue{Key: "client", Value: info.Client.String()}, event.KeyValue{Key: "server", Value: info.Server.String()})
	}
	return append(all, event.KeyValue{Key: "tcp_stream", Value: strconv.FormatInt(info.ID, 10)})
}

// own reports whether a is an address that the proxy listens on.
func (s *Server) own(a netip.AddrPort) bool {
	for _, l := range s.now() {
		at := socket.AddrPort(l.socket.Addr())
		if at.IsValid() && at.Port() == a.Port() && (at.Addr() == a.Addr() || at.Addr().IsUnspecified() && local(a.Addr())) {
			return true
		}
	}
	return false
}

// local reports whether a is an address of this machine.
func local(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true // not known: better refuse than go in circles
	}
	for _, n := range all {
		if p, ok := n.(*net.IPNet); ok && p.IP.Equal(a.AsSlice()) {
			return true
		}
	}
	return false
}
