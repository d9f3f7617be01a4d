package decode

import "github.com/pitot-io/pitot/internal/event"

// NewOpaque follows a connection whose protocol nobody knows: it counts bytes
// and tells one exchange of protocol tcp when the connection is over.
func NewOpaque(c Conn) Decoder {
	o := &opaque{inspect: c.Inspect, x: event.Exchange{Protocol: event.TCP, Name: "tcp", Client: c.Client, Server: c.Server, Stream: c.Stream}}
	if c.MidStream {
		o.x.Decode |= event.MidStream
	}
	return o
}

type opaque struct {
	x       event.Exchange
	inspect func(*Message)
	offset  [2]int64
}

func (o *opaque) Feed(d event.Dir, at int64, b []byte, _ event.Emitter) error {
	if o.inspect != nil && len(b) > 0 { // messages there are none: what comes at a time is one
		o.inspect(&Message{Dir: d, At: at, Offset: o.offset[d], Size: int64(len(b)), Protocol: "tcp", Kind: "data"})
	}
	o.saw(d, at, int64(len(b)))
	return nil
}

func (o *opaque) Gap(d event.Dir, at int64, n int64, _ event.Emitter) {
	o.saw(d, at, n)
	if d == event.ToServer {
		o.x.Decode |= event.RequestGap
	} else {
		o.x.Decode |= event.ResponseGap
	}
}

func (o *opaque) saw(d event.Dir, at, n int64) {
	if o.x.Start == 0 {
		o.x.Start = at
	}
	o.x.End = at
	o.offset[d] += n
	if d == event.ToServer {
		o.x.RequestBytes += n
		return
	}
	o.x.ResponseBytes += n
	if o.x.FirstByte == 0 {
		o.x.FirstByte = at
	}
}

func (o *opaque) End(event.Dir, int64, event.Emitter) {}

func (o *opaque) Close(at int64, emit event.Emitter) {
	if o.x.Start == 0 {
		return // a connection that carried nothing is no exchange
	}
	o.x.End = at
	emit.Exchange(&o.x)
}
