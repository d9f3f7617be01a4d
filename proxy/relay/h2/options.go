package h2

import (
	"cmp"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// Limits are what both sides of the codec hold a connection to. Zero stands
// for the default.
type Limits struct {
	Window     int // bytes of a stream that may be on their way or wait to be taken
	ConnWindow int // bytes of all streams of a connection
	MaxFrame   int // bytes of one frame's payload, as taken
	Output     int // bytes that wait for a peer that takes nothing, per connection
	Table      int // bytes of a dynamic table of HPACK, in each direction; negative for none

	HeaderList    int // bytes of a field section, as SETTINGS_MAX_HEADER_LIST_SIZE counts them
	Headers       int // fields of it
	Block         int // bytes of a field block before decompression; by default twice HeaderList
	Continuations int // CONTINUATION frames of a field block
	Interim       int // answers of class 1xx to one request

	// Flood guards: a connection over one of these ends with ENHANCE_YOUR_CALM.
	Control      int           // frames that answer the peer's (acknowledgements, resets) and that it does not read
	Empty        int           // frames in a row that carry nothing
	Resets       int           // streams that the peer breaks off, or that are broken off for what it sent, at once
	ResetsEvery  time.Duration // gives one back to Resets
	Chatter      int           // PING, SETTINGS, PRIORITY, WINDOW_UPDATE and unknown frames at once; streams and DATA give some back
	ChatterEvery time.Duration // and this time gives one

	// Negative times to wait stand for no limit.
	Settings time.Duration // for the peer to acknowledge SETTINGS
	Frame    time.Duration // for the rest of a frame or of a field block that has begun
	Stall    time.Duration // in which a peer takes nothing of what waits for it
	Idle     time.Duration // of a connection without streams
	Grace    time.Duration // between the two GOAWAYs of a drain, where the peer does not answer sooner
	Linger   time.Duration // for a peer to see why its connection ends

	Ping        time.Duration // of silence, after which a peer is asked whether it is still there; never by default
	PingTimeout time.Duration // for it to answer
}

// Defaults of Limits.
const (
	DefaultWindow        = 256 << 10
	DefaultConnWindow    = 1 << 20
	DefaultMaxFrame      = 16 << 10
	DefaultOutput        = 256 << 10
	DefaultTable         = 4 << 10
	DefaultHeaderList    = 60 << 10
	DefaultHeaders       = 100
	DefaultContinuations = 16
	DefaultInterim       = 16
	DefaultControl       = 1000
	DefaultEmpty         = 32
	DefaultResets        = 500
	DefaultResetsEvery   = 10 * time.Millisecond
	DefaultChatter       = 2000
	DefaultChatterEvery  = 10 * time.Millisecond
	DefaultSettings      = 10 * time.Second
	DefaultFrame         = time.Minute
	DefaultStall         = time.Minute
	DefaultIdle          = time.Hour
	DefaultGrace         = 5 * time.Second
	DefaultLinger        = time.Second
	DefaultPingTimeout   = 10 * time.Second
)

const (
	leastFrame  = 16 << 10  // RFC 9113, 6.5.2
	mostWindow  = 1<<31 - 1 // RFC 9113, 6.9.1
	mostFrame   = 1 << 20   // that is worth its memory
	basicWindow = 1<<16 - 1 // before anything is said
)

func (l Limits) withDefaults() Limits {
	l.Window = min(cmp.Or(l.Window, DefaultWindow), mostWindow)
	l.ConnWindow = min(max(cmp.Or(l.ConnWindow, DefaultConnWindow), basicWindow), mostWindow)
	l.MaxFrame = min(max(l.MaxFrame, leastFrame), mostFrame)
	l.Output = cmp.Or(l.Output, DefaultOutput)
	l.Table = max(cmp.Or(l.Table, DefaultTable), 0)
	l.HeaderList = cmp.Or(l.HeaderList, DefaultHeaderList)
	l.Headers = cmp.Or(l.Headers, DefaultHeaders)
	l.Block = cmp.Or(l.Block, 2*l.HeaderList)
	l.Continuations = cmp.Or(l.Continuations, DefaultContinuations)
	l.Interim = cmp.Or(l.Interim, DefaultInterim)
	l.Control = cmp.Or(l.Control, DefaultControl)
	l.Empty = cmp.Or(l.Empty, DefaultEmpty)
	l.Resets = cmp.Or(l.Resets, DefaultResets)
	l.ResetsEvery = cmp.Or(l.ResetsEvery, DefaultResetsEvery)
	l.Chatter = cmp.Or(l.Chatter, DefaultChatter)
	l.ChatterEvery = cmp.Or(l.ChatterEvery, DefaultChatterEvery)
	l.Settings = cmp.Or(l.Settings, DefaultSettings)
	l.Frame = cmp.Or(l.Frame, DefaultFrame)
	l.Stall = cmp.Or(l.Stall, DefaultStall)
	l.Idle = cmp.Or(l.Idle, DefaultIdle)
	l.Grace = cmp.Or(l.Grace, DefaultGrace)
	l.Linger = cmp.Or(l.Linger, DefaultLinger)
	l.PingTimeout = cmp.Or(l.PingTimeout, DefaultPingTimeout)
	for _, d := range []*time.Duration{&l.Settings, &l.Frame, &l.Stall} {
		if *d < 0 {
			*d = never
		}
	}
	return l
}

// never is later than anybody waits: 73 years.
const never = time.Duration(1 << 61)

// heads are the limits of heads as http1.Head wants them.
func (l *Limits) heads() decode.Limits {
	lim := decode.DefaultLimits()
	lim.Head, lim.Headers = l.HeaderList, l.Headers
	return lim
}

// ServerOptions make a Server.
type ServerOptions struct {
	Limits
	MaxStreams int        // that a client may have open at once
	Plain      *tap.Plain // is shown the bytes of clients' connections, out of TLS; none by default
}

// DefaultMaxStreams is the default of ServerOptions.MaxStreams.
const DefaultMaxStreams = 1024

// DialerOptions make a Dialer.
type DialerOptions struct {
	Limits
	MaxStreams     int // that are opened at once on a connection, however many the host allows
	MaxConnections int // to one host; further requests wait for a stream
	MaxUses        int // streams of a connection in all; no limit by default but that of the protocol

	// Of, where set, has a host's own options in the place of all others.
	Of func(*upstream.Host) *DialerOptions
}

func (o DialerOptions) withDefaults() DialerOptions {
	o.Limits = o.Limits.withDefaults()
	o.MaxStreams = cmp.Or(o.MaxStreams, DefaultUpstreamStreams)
	o.MaxConnections = cmp.Or(o.MaxConnections, DefaultConnections)
	return o
}

// Defaults of DialerOptions.
const (
	DefaultUpstreamStreams = 100 // the least that RFC 9113, 6.5.2 wants allowed
	DefaultConnections     = 64
)
