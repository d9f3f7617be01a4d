package mongo

import (
	"strconv"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// told is the message that goes to Conn.Inspect, and its text.
type told struct {
	decode.Message
	text []byte
}

func (t *told) add(s string) { t.text = append(t.text, s...) }

func (t *told) number(n int64) { t.text = strconv.AppendInt(t.text, n, 10) }

// inspectRequest tells the request m, which has become x.
func (c *conn) inspectRequest(m *message, x *exchange) {
	if c.Inspect == nil {
		return
	}
	t := c.tell(event.ToServer, m)
	t.command(x)
	switch {
	case x.Decode&event.Redacted != 0:
		t.add(", withheld")
	case x.mongo.Query != "":
		t.add(" ")
		t.add(x.mongo.Query)
	}
	c.finish(t, m, "command")
}

// inspectReply tells the reply m: to x, which the reply was read into, or to
// nothing that was seen. returned is how much x had returned before.
func (c *conn) inspectReply(m *message, x *exchange, returned int64) {
	if c.Inspect == nil {
		return
	}
	t := c.tell(event.ToClient, m)
	t.add("to ")
	t.number(int64(m.responseTo))
	if x.Decode&event.NoRequest != 0 {
		t.add(", which was not seen")
	} else {
		t.add(" (")
		t.command(x)
		t.add(")")
	}
	t.outcome(x, returned)
	c.finish(t, m, "answer")
}

// tell begins what is told of m.
func (c *conn) tell(d event.Dir, m *message) *told {
	t := &c.told
	t.text = t.text[:0]
	t.Message = decode.Message{
		Dir: d, At: m.at, Offset: m.offset, Size: m.wire, Protocol: "mongo", Kind: event.MongoOpcode(m.opcode), Stream: uint32(m.requestID),
	}
	return t
}

// command names a request: operation and namespace.
func (t *told) command(x *exchange) {
	m := &x.mongo
	op := m.Operation
	if op == "" {
		op = event.MongoOpcode(m.Opcode)
	}
	t.add(op)
	if m.Database != "" {
		t.add(" ")
		t.add(m.Database)
	}
	if m.Collection != "" {
		t.add(".")
		t.add(m.Collection)
	}
}

func (t *told) outcome(x *exchange, returned int64) {
	m := &x.mongo
	if x.Status == event.Error {
		t.add(": failed")
		if m.Code != 0 {
			t.add(", ")
			t.number(int64(m.Code))
		}
		if m.CodeName != "" {
			t.add(" ")
			t.add(m.CodeName)
		}
		return
	}
	t.add(": ok")
	if n := m.Returned - max(0, returned); m.Returned >= 0 {
		t.add(", ")
		t.number(n)
		t.add(" returned")
	}
	if m.Affected >= 0 {
		t.add(", ")
		t.number(m.Affected)
		t.add(" affected")
	}
	if m.Cursor != 0 && !m.CursorDone {
		t.add(", cursor ")
		t.number(m.Cursor)
	}
}

// finish adds how the message came, and tells it. document is what the section
// of kind 0 is.
func (c *conn) finish(t *told, m *message, document string) {
	if m.compressor != "" {
		t.add("; compressed by ")
		t.add(m.compressor)
		if !m.packed {
			t.Unpacked, t.Inner = "decompressed", m.body
		}
	}
	switch {
	case m.packed:
		t.Flags |= event.Undecoded
	case m.opcode == opMsg:
		t.sections(m, document)
	}
	if m.cut {
		t.Flags |= event.BodyCut
	}
	if m.badChecksum() {
		t.Flags |= event.BadChecksum
	}
	t.Text = decode.View(t.text)
	c.Inspect(&t.Message)
}

// sections names the flags and the sections of an OP_MSG.
func (t *told) sections(m *message, document string) {
	var s sections
	s.parse(m.body, m.cut)
	for _, f := range [...]struct {
		bit  uint32
		name string
	}{{flagChecksum, "; checksum"}, {flagMore, "; more to come"}, {flagExhaust, "; exhaust allowed"}} {
		if s.flags&f.bit != 0 {
			t.add(f.name)
		}
	}
	t.add("; sections: ")
	t.add(document)
	for _, l := range s.lists[:s.n] {
		t.add(", ")
		t.add(decode.View(bounded(l.name, maxName)))
		t.add(" (")
		t.number(countDocuments(l.docs))
		t.add(")")
	}
	if s.telemetry != nil {
		t.add(", telemetry")
	}
}
