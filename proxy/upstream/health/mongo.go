package health

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/decode/bson"
)

// Mongo asks servers of MongoDB by the command hello, which needs no password.
type Mongo struct {
	Role string // any, primary, secondary or mongos

	newest atomic.Int64 // of what hosts wrote last, ms since the Unix epoch
}

// Tags that a Mongo check finds.
const (
	TagRole = "mongodb.role" // primary, secondary, mongos, arbiter or other
	TagSet  = "mongodb.set_name"
)

// Name is the kind of check.
func (c *Mongo) Name() string { return "mongodb" }

// Ask sends hello, and isMaster to a server that does not know it: those before
// 4.4.2 do not, and those before 3.6 close the connection over the message that it
// comes in.
func (c *Mongo) Ask(ctx context.Context, l *Line) Answer {
	l.otherwise = false
	return l.ask(ctx, func(context.Context) Answer {
		doc, err := l.hello()
		if err != nil {
			return failed(err)
		}
		return c.judge(doc)
	})
}

// hello is what the server says of itself.
func (l *Line) hello() (doc []byte, err error) {
	if !l.old {
		if doc, err = l.command(hello()); err == nil && unknown(doc) {
			l.old = true
		} else {
			l.old = !l.heard && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET))
			l.otherwise = l.old
			return doc, err
		}
	}
	doc, err = l.command(isMaster())
	l.old = err == nil // who does not answer is asked for hello the next time
	return doc, err
}

func (l *Line) command(message []byte) (doc []byte, err error) {
	if _, err := l.conn.Write(message); err != nil {
		return nil, err
	}
	if doc, err = readReply(l.in); err == nil {
		l.heard = true
	}
	return doc, err
}

// helloID is the request id of every question: a connection has one under way.
const helloID = 1

const (
	opReply     = 1
	opQuery     = 2004
	opMsg       = 2013
	headerSize  = 16
	mostMessage = 64 << 10 // bytes of an answer to hello
)

// hello is the command as an OP_MSG: {hello: 1, $db: "admin"}.
func hello() []byte {
	doc := []byte("\x00\x00\x00\x00\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00")
	return message(opMsg, "\x00\x00\x00\x00\x00", doc) // flags, and a section of kind 0
}

// isMaster is the command as an OP_QUERY of one document from admin.$cmd, which
// every server takes.
func isMaster() []byte {
	doc := []byte("\x00\x00\x00\x00\x10isMaster\x00\x01\x00\x00\x00\x00")
	return message(opQuery, "\x04\x00\x00\x00admin.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff", doc) // secondaries may answer, too; skip 0, return -1
}

func message(code int, before string, doc []byte) (b []byte) {
	binary.LittleEndian.PutUint32(doc, uint32(len(doc)))
	for _, n := range []int{headerSize + len(before) + len(doc), helloID, 0, code} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return append(append(b, before...), doc...)
}

var errNoAnswer = errors.New("what came is no answer of MongoDB")

// readReply reads the document of an OP_MSG or an OP_REPLY.
func readReply(r io.Reader) ([]byte, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size, to, code := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[8:]), binary.LittleEndian.Uint32(head[12:])
	before := uint32(5) // flags and the kind of the first section
	if code == opReply {
		before = 20 // flags, cursor, where it is, and how many documents
	}
	if size < headerSize+before+bson.MinDocument || size > mostMessage || to != helloID || code != opMsg && code != opReply {
		return nil, errNoAnswer
	}
	b := make([]byte, size-headerSize)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, noEnd(err)
	}
	doc := b[before:]
	if n := bson.Length(doc); code == opMsg && b[4] != 0 || n == 0 || n > len(doc) {
		return nil, errNoAnswer
	}
	return doc, nil
}

// noEnd is what the end of a connection is in the middle of an answer.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// commandNotFound is MongoDB's code for a command that it does not know.
const commandNotFound = "59"

// unknown reports whether doc says that there is no such command; servers before
// 3.4 tell no code.
func unknown(doc []byte) bool {
	m := readMember(doc)
	return !m.ok && (m.code == commandNotFound || m.code == "" && strings.HasPrefix(m.text, "no such c"))
}

// member is what hello tells.
type member struct {
	ok            bool
	role, set     string
	lastWrite     int64 // ms since the Unix epoch; 0 where not told
	code, message string
	text          string // of an error
}

func (c *Mongo) judge(doc []byte) Answer {
	m := readMember(doc)
	a := Answer{Lag: -1, Tags: map[string]string{TagRole: m.role}}
	if m.set != "" {
		a.Tags[TagSet] = m.set
	}
	if m.lastWrite > 0 {
		a.Lag = c.lag(m.lastWrite)
	}
	switch {
	case !m.ok:
		a.Outcome, a.Why, a.Tags = Failure, fmt.Sprintf("error %s %s", m.code, m.message), nil
	case m.role == c.Role, c.Role == "any" && (m.role == "primary" || m.role == "secondary" || m.role == "mongos"):
		a.Why = m.role
	case c.Role == "any":
		a.Outcome, a.Why = Failure, "it is neither primary, secondary nor mongos"
	default:
		a.Outcome, a.Why = Failure, fmt.Sprintf("it is %s, not %s", m.role, c.Role)
	}
	return a
}

// lag is how far behind the newest write that was seen this one lies.
func (c *Mongo) lag(lastWrite int64) time.Duration {
	for {
		newest := c.newest.Load()
		if lastWrite <= newest {
			return time.Duration(newest-lastWrite) * time.Millisecond
		}
		if c.newest.CompareAndSwap(newest, lastWrite) {
			return 0
		}
	}
}

func readMember(doc []byte) (m member) {
	var primary, secondary, mongos, arbiter bool
	for it := bson.Elements(doc); ; {
		e, more := it.Next()
		if !more {
			break
		}
		switch n, _ := e.Int(); string(e.Key) {
		case "ok":
			m.ok = n == 1
		case "isWritablePrimary", "ismaster": // the latter in answers to isMaster
			primary = n == 1
		case "secondary":
			secondary = n == 1
		case "arbiterOnly":
			arbiter = n == 1
		case "msg":
			mongos = text(e) == "isdbgrid"
		case "setName":
			m.set = text(e)
		case "code":
			m.code = fmt.Sprint(n)
		case "codeName":
			m.message = text(e)
		case "errmsg":
			m.text = text(e)
		case "lastWrite":
			if date, ok := bson.Lookup(e.Value, "lastWriteDate"); ok {
				m.lastWrite, _ = date.Int()
			}
		}
	}
	switch m.role = "other"; {
	case mongos:
		m.role = "mongos"
	case primary:
		m.role = "primary"
	case secondary:
		m.role = "secondary"
	case arbiter:
		m.role = "arbiter"
	}
	return m
}

// maxName bounds the names that a server tells, in bytes.
const maxName = 128

func text(e bson.Element) string {
	b, _ := e.Text()
	return strings.ToValidUTF8(string(b[:min(len(b), maxName)]), "?")
}
