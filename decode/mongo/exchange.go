package mongo

import (
	"strconv"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/callsite"
	"github.com/pitot-io/pitot/internal/event"
)

// exchange is a request on its way to its answer. It owns the text that its
// events point into, and is used again when it is over.
type exchange struct {
	event.Exchange
	mongo event.Mongo
	text  []byte
	site  callsite.Scratch
	plan  *plan // that the request fitted; nil when none

	answered bool // a first reply of a chain has come
	cmd      bool // the request is a command, whatever its opcode
}

// maxText is what of exchange.text is kept for the next exchange.
const maxText = 16 << 10

func (s *shared) take() *exchange {
	x := s.exchanges.Get().(*exchange)
	x.Exchange = event.Exchange{Kind: event.Client, Protocol: event.MongoDB}
	x.mongo = event.Mongo{Returned: -1, Affected: -1, TxnNumber: -1}
	x.Mongo = &x.mongo
	x.text = x.text[:0]
	x.answered, x.cmd, x.plan = false, false, nil
	return x
}

func (s *shared) put(x *exchange) {
	if cap(x.text) > maxText {
		x.text = nil
	}
	s.exchanges.Put(x)
}

// keep makes b the exchange's own.
func (x *exchange) keep(b []byte) string {
	from := len(x.text)
	x.text = append(x.text, b...)
	return decode.View(x.text[from:])
}

func (x *exchange) keepText(s string) string {
	from := len(x.text)
	x.text = append(x.text, s...)
	return decode.View(x.text[from:])
}

// number is v in decimal, as text of the exchange.
func (x *exchange) number(v int64) string {
	from := len(x.text)
	x.text = strconv.AppendInt(x.text, v, 10)
	return decode.View(x.text[from:])
}

// name gives the exchange its name: "find orders", "hello".
func (x *exchange) name() {
	m := &x.mongo
	switch {
	case m.Operation == "":
		x.Name = event.MongoOpcode(m.Opcode)
	case m.Collection == "":
		x.Name = m.Operation
	default:
		from := len(x.text)
		x.text = append(x.text, m.Operation...)
		x.text = append(x.text, ' ')
		x.text = append(x.text, m.Collection...)
		x.Name = decode.View(x.text[from:])
	}
}

// message takes one message in direction d.
func (c *conn) message(d event.Dir, m *message, emit event.Emitter) {
	var in *inflater
	if m.opcode == opCompressed {
		in = c.shared.inflaters.Get().(*inflater)
		in.message(m, d, &c.Limits)
	}
	if d == event.ToServer {
		c.request(m, emit)
	} else {
		c.reply(m, emit)
	}
	if in != nil {
		in.release()
		c.shared.inflaters.Put(in)
	}
}

// request begins the exchange of m.
func (c *conn) request(m *message, emit event.Emitter) {
	x := c.shared.take()
	c.begin(x, m)
	x.Start, x.End = m.start, m.at
	x.RequestBytes, x.RequestSeq = m.wire, m.seq
	x.mongo.RequestID, x.mongo.Opcode = m.requestID, m.opcode
	x.mongo.Compressor = m.compressor
	if m.missed {
		x.Decode |= event.RequestGap
	}
	wait := c.read(x, m)
	x.Service = c.application
	x.mongo.Application, x.mongo.Driver = c.application, c.driver
	if x.Name == "" {
		x.name()
	}
	c.inspectRequest(m, x)
	if !wait {
		emit.Exchange(&x.Exchange)
		c.shared.put(x)
		return
	}
	c.wait(x, emit)
}

// begin fills in what every exchange of the connection has.
func (c *conn) begin(x *exchange, m *message) {
	x.Client, x.Server, x.Stream = c.Client, c.Server, c.Stream
	if c.MidStream {
		x.Decode |= event.MidStream
	}
	c.judge(x, m)
}

// judge tells what m says of how far x can be trusted.
func (c *conn) judge(x *exchange, m *message) {
	if m.packed {
		x.Decode |= event.Undecoded
	}
	if m.cut {
		x.Decode |= event.BodyCut
	}
	if m.badChecksum() {
		x.Decode |= event.BadChecksum
	}
}

// read takes the request apart and reports whether an answer will come.
func (c *conn) read(x *exchange, m *message) (wait bool) {
	if m.packed {
		return true
	}
	switch m.opcode {
	case opMsg:
		return c.readMsg(x, m)
	case opQuery:
		c.readQuery(x, m)
		return true
	case opGetMore:
		c.readGetMore(x, m)
		return true
	case opCommand:
		c.readCommand(x, m)
		return true
	}
	c.readWrite(x, m)
	return false
}

// wait puts x among those that wait for their answer. When too many do, the
// oldest is given up.
func (c *conn) wait(x *exchange, emit event.Emitter) {
	if len(c.waiting) > 0 && len(c.waiting) >= c.Limits.Pending {
		oldest := c.waiting[0].x
		c.waiting = append(c.waiting[:0], c.waiting[1:]...)
		c.unsure = true
		c.unanswered(oldest, x.Start, emit)
	}
	c.waiting = append(c.waiting, waiting{x.mongo.RequestID, x})
}

// waits is the place of the request that waits for an answer to id, the oldest
// one; -1 when none does.
func (c *conn) waits(id int32) int {
	for i := range c.waiting {
		if c.waiting[i].id == id {
			return i
		}
	}
	return -1
}

func (c *conn) drop(i int) { c.waiting = append(c.waiting[:i], c.waiting[i+1:]...) }

// unanswered ends x, whose answer will not come, or not to its end.
func (c *conn) unanswered(x *exchange, at int64, emit event.Emitter) {
	x.End = at
	if !x.answered {
		x.Decode |= event.NoResponse
		x.Status, x.ErrorType = event.Error, event.ErrUnanswered
		excuse(&x.Exchange)
	}
	emit.Exchange(&x.Exchange)
	c.shared.put(x)
}
