package mongo

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Looks makes Lookers, which share what saves work.
type Looks struct{ shared *shared }

// NewLooks makes a Looks.
func NewLooks(o Options) *Looks { return &Looks{newShared(o)} }

// Looker looks at requests before they go on, for who decides about them. It is
// for one connection.
type Looker struct {
	conn *conn
	x    *exchange
}

// New makes a Looker.
func (l *Looks) New() *Looker {
	c := newConn(decode.Conn{}, l.shared)
	c.greeted = true // what is said there is for the decoder
	return &Looker{conn: c, x: l.shared.take()}
}

// HeaderLen is how many bytes Length takes.
const HeaderLen = headerLen

// Length is the length of the message in direction d that begins with b, this
// header of HeaderLen bytes included; 0 where none begins like that.
func Length(d event.Dir, b []byte) int {
	if h := parseHeader(b); h.sane(d, maxMessage) {
		return h.length
	}
	return 0
}

// ReplyTo is the id of a message, and that of the one which it answers. more
// reports whether it says that another follows which answers it; b is its
// beginning.
func ReplyTo(b []byte) (id, to int32, more bool) {
	h := parseHeader(b)
	return h.requestID, h.responseTo, h.opcode == opMsg && len(b) > headerLen && b[headerLen]&flagMore != 0
}

// Request is what a Looker sees. It is good until the next Look.
type Request struct {
	*event.Mongo
	Wait    bool // its client waits for an answer
	Command bool // it has the form of a command, whatever its opcode
}

// Look tells what a request asks for, whose beginning b is, with its header; ok
// is false for what cannot be read, and for what is not answered as commands
// are: an OP_COMMAND.
func (l *Looker) Look(b []byte) (r Request, ok bool) {
	s := l.conn.shared
	s.put(l.x)
	l.x = s.take()
	q := message{header: parseHeader(b), body: b[headerLen:]}
	q.cut = len(b) < q.length
	if q.opcode == opCompressed {
		in := s.inflaters.Get().(*inflater)
		defer func() { in.release(); s.inflaters.Put(in) }()
		in.message(&q, event.ToServer, &l.conn.Limits)
	}
	if q.packed || q.opcode == opCommand || q.opcode == opCompressed {
		return r, false
	}
	l.x.mongo.RequestID, l.x.mongo.Opcode = q.requestID, q.opcode
	wait := l.conn.read(l.x, &q)
	l.x.mongo.Application = l.conn.application
	return Request{&l.x.mongo, wait, l.x.cmd}, true
}

// Close gives back what l borrowed.
func (l *Looker) Close() { l.conn.shared.put(l.x) }

// Handshake reports whether a command is one by which drivers begin a
// connection and authenticate, or watch the server.
func Handshake(operation string) bool {
	op := []byte(operation)
	return len(op) > 0 && (hello(op) || is(op, "saslStart") || is(op, "saslContinue") || is(op, "authenticate") || is(op, "getnonce"))
}

// Greeting reports whether a command is the one by which drivers begin a
// connection, or watch the server.
func Greeting(operation string) bool { return operation != "" && hello([]byte(operation)) }

// CodeName is the server's name for an error code; "" for one that is not known.
func CodeName(code int32) string { return codeName(code) }
