package tap

import (
	"strconv"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/reassembly"
)

// Follow says how the connections of a capture are followed, be it a file or
// an interface.
type Follow struct {
	Protocols []decode.Protocol
	Names     Names  // may be nil
	Capture   string // label of every exchange
	IDs       IDs
	Limits    decode.Limits
	Keep      decode.Keep

	// Watch, where set, is asked for every connection who watches it; nil is
	// nobody.
	Watch func(decode.Conn) Watcher
}

// Stream begins to follow c, under that number, and tells out what it says.
func (f *Follow) Stream(c *reassembly.Conn, number int64, out event.Emitter) reassembly.Stream {
	conn := decode.Conn{
		Client: c.Client, Server: c.Server, Stream: number, MidStream: c.MidStream,
		Limits: f.Limits, Keep: f.Keep, Position: c.Position, Unwatched: c.Unwatched,
	}
	var watcher Watcher
	if f.Watch != nil {
		watcher = f.Watch(conn)
	}
	if watcher != nil {
		conn.Inspect = watcher.Message
	}
	meta := Meta{Capture: f.Capture, Names: f.Names, IDs: f.IDs}
	if c.MidStream {
		meta.Decode = event.MidStream
	}
	s := new(stream)
	s.order.out, s.order.client = out, c.Client
	s.Flow = NewFlow(decode.NewDetector(f.Protocols, conn), conn, meta, &s.order)
	if watcher != nil {
		return &watched{stream: s, watcher: watcher}
	}
	return s
}

// stream is a Flow whose bytes come out of a capture, where some may be
// missing. What is missing is told once, in sum, when the connection is over.
type stream struct {
	*Flow
	order   inOrder
	offset  [2]int64 // of the next byte, missing ones included
	gaps    int64
	missing int64
	unknown bool   // some gap is of unknown length
	first   string // where the first gap is
}

func (s *stream) Feed(d event.Dir, at int64, b []byte) {
	s.offset[d] += int64(len(b))
	s.Flow.Feed(d, at, b)
}

func (s *stream) Gap(d event.Dir, at, n int64) {
	if s.gaps == 0 {
		s.first = d.String() + " at byte " + strconv.FormatInt(s.offset[d], 10)
	}
	s.gaps++
	s.missing += n
	s.unknown = s.unknown || n == 0
	s.offset[d] += n
	s.Flow.Gap(d, at, n)
}

// Truncated marks what comes from now on: packets of this connection are cut.
func (s *stream) Truncated() { s.mark(event.Truncated) }

func (s *stream) Close(at int64) {
	s.Flow.Close(at)
	if s.gaps == 0 {
		return
	}
	missing := strconv.FormatInt(s.missing, 10)
	if s.unknown {
		missing = "at least " + missing
	}
	s.notice(at, event.EventCaptureGap, event.Warn, "bytes of this connection are missing in the capture",
		event.KeyValue{Key: "gaps", Value: strconv.FormatInt(s.gaps, 10)}, event.KeyValue{Key: "bytes", Value: missing}, event.KeyValue{Key: "first", Value: s.first})
}

func (s *stream) notice(at int64, name string, severity event.Severity, body string, more ...event.KeyValue) {
	s.Notice(&event.Notice{Time: at, Name: name, Severity: severity, Service: s.meta.Service, Body: body, Attributes: more})
}
