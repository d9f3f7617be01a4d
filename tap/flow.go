package tap

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Names gives addresses the names of services; "" when it knows none.
type Names interface {
	Lookup(netip.AddrPort) string
}

// IDs makes the ids of exchanges that brought none along.
type IDs interface {
	Fill(x *event.Exchange, ordinal uint64)
}

// Meta is what is known of a connection beside its bytes.
type Meta struct {
	Listener, Route, Cluster, Endpoint string
	Service                            string // of the server, where the names do not tell
	Capture                            string
	Unix                               string // path of the Unix socket that the client connected to
	Decode                             event.DecodeFlags
	Names                              Names // may be nil
	IDs                                IDs
}

// Flow joins one connection's bytes, its decoder and the hub. A decoder that
// gets lost or breaks is told once and asked no more; the bytes are none of its
// business from then on. Both directions may be fed at the same time.
type Flow struct {
	mu      sync.Mutex
	dec     decode.Decoder
	out     event.Emitter
	meta    Meta
	ordinal uint64
	off     bool // the decoder is lost, or the flow is closed
	conn    decode.Conn

	client, server string // conn's addresses as text, once somebody needed them
}

// NewFlow starts to follow a connection.
func NewFlow(dec decode.Decoder, c decode.Conn, meta Meta, out event.Emitter) *Flow {
	return &Flow{dec: dec, conn: c, meta: meta, out: out}
}

// Feed shows the decoder the next bytes in direction d, before they are
// forwarded: showing them later loses the pairing of fast answers.
func (f *Flow) Feed(d event.Dir, at int64, b []byte) {
	f.call(at, func() error { return f.dec.Feed(d, at, b, f) })
}

// Gap, End and Close pass on what their namesakes of decode.Decoder say.
func (f *Flow) Gap(d event.Dir, at, n int64) {
	f.call(at, func() error { f.dec.Gap(d, at, n, f); return nil })
}

func (f *Flow) End(d event.Dir, at int64) {
	f.call(at, func() error { f.dec.End(d, at, f); return nil })
}

func (f *Flow) Close(at int64) {
	f.call(at, func() error { f.dec.Close(at, f); return nil })
	f.mu.Lock()
	f.off = true
	f.mu.Unlock()
}

// call guards the traffic from the decoder: an error or a panic ends the
// watching, never the connection.
func (f *Flow) call(at int64, do func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.off {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			f.off = true
			f.lost(at, fmt.Errorf("decoder broke: %v", r))
		}
	}()
	if err := do(); err != nil {
		f.off = true
		f.lost(at, err)
		f.dec.Close(at, f)
	}
}

// mark flags the exchanges to come.
func (f *Flow) mark(d event.DecodeFlags) {
	f.mu.Lock()
	f.meta.Decode |= d
	f.mu.Unlock()
}

func (f *Flow) lost(at int64, err error) {
	f.Notice(&event.Notice{Time: at, Name: event.EventDecodeFailure, Severity: event.Warn, Service: f.meta.Service, Body: err.Error()})
}

// Exchange completes what the decoder told and passes it on.
func (f *Flow) Exchange(x *event.Exchange) {
	m := &f.meta
	x.Listener, x.Route, x.Cluster, x.Endpoint, x.Capture = m.Listener, m.Route, m.Cluster, m.Endpoint, m.Capture
	x.Unix = m.Unix
	x.Decode |= m.Decode
	f.name(x)
	if m.IDs != nil {
		m.IDs.Fill(x, f.ordinal)
	}
	f.ordinal++
	f.out.Exchange(x)
}

// Notice passes on what the decoder noticed, with the connection that it is
// about.
func (f *Flow) Notice(n *event.Notice) {
	if !f.conn.Client.IsValid() || slices.ContainsFunc(n.Attributes, func(kv event.KeyValue) bool { return kv.Key == "client" }) {
		f.out.Notice(n)
		return
	}
	told := *n
	told.Attributes = append([]event.KeyValue{
		{Key: "client", Value: f.conn.Client.String()}, {Key: "server", Value: f.conn.Server.String()},
		{Key: "tcp_stream", Value: strconv.FormatInt(f.conn.Stream, 10)},
	}, n.Attributes...)
	f.out.Notice(&told)
}

// name finds the services of both sides: a configured name first, then what
// the decoder learned (a driver's application name), then the address.
func (f *Flow) name(x *event.Exchange) {
	server := f.lookup(x.Server)
	if server == "" {
		server = f.meta.Service
	}
	client := f.lookup(x.Client)
	if x.Kind == event.Client {
		if client != "" {
			x.Service = client
		}
		if x.Service == "" && x.Client.IsValid() {
			x.Service = f.clientText(x.Client)
		}
		x.Peer = server
		if x.Peer == "" && x.Server.IsValid() {
			x.Peer = f.serverText(x.Server)
		}
		return
	}
	if server != "" || x.Protocol != event.TCP { // TLS that was not deciphered knows the name that its client asked for
		x.Service = server
	}
	x.Peer = client
	if x.Service == "" && x.Server.IsValid() {
		x.Service = f.serverText(x.Server)
	}
}

// clientText is the address of a client without a name; its port would tell
// nothing.
func (f *Flow) clientText(a netip.AddrPort) string {
	if a != f.conn.Client {
		return a.Addr().String()
	}
	if f.client == "" {
		f.client = a.Addr().String()
	}
	return f.client
}

// serverText is the address of a server without a name.
func (f *Flow) serverText(a netip.AddrPort) string {
	if a != f.conn.Server {
		return a.String()
	}
	if f.server == "" {
		f.server = a.String()
	}
	return f.server
}

func (f *Flow) lookup(a netip.AddrPort) string {
	if f.meta.Names == nil || !a.IsValid() {
		return ""
	}
	return f.meta.Names.Lookup(a)
}
