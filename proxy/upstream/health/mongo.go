package health

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
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

// Ask sends hello.
func (c *Mongo) Ask(ctx context.Context, l *Line) Answer {
	return l.ask(ctx, func(context.Context) Answer {
		if _, err := l.conn.Write(hello()); err != nil {
			return failed(err)
		}
		doc, err := readReply(l.in)
		if err != nil {
			return failed(err)
		}
		return c.judge(doc)
	})
}

// helloID is the request id of every hello: a connection has one under way.
const helloID = 1

const (
	opMsg       = 2013
	headerSize  = 16
	mostMessage = 64 << 10 // bytes of an answer to hello
)

// hello is the command as an OP_MSG: {hello: 1, $db: "admin"}.
func hello() []byte {
	doc := []byte("\x00\x00\x00\x00\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00")
	binary.LittleEndian.PutUint32(doc, uint32(len(doc)))
	var b []byte
	for _, n := range []int{headerSize + 5 + len(doc), helloID, 0, opMsg, 0} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return append(append(b, 0), doc...) // a section of kind 0
}

// readReply reads the document of an OP_MSG.
func readReply(r io.Reader) ([]byte, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size, to, code := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[8:]), binary.LittleEndian.Uint32(head[12:])
	if size < headerSize+5+bson.MinDocument || size > mostMessage || to != helloID || code != opMsg {
		return nil, errors.New("what came is no answer of MongoDB")
	}
	b := make([]byte, size-headerSize)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	doc := b[5:] // flags and the kind of the first section
	if n := bson.Length(doc); b[4] != 0 || n == 0 || n > len(doc) {
		return nil, errors.New("what came is no answer of MongoDB")
	}
	return doc, nil
}

// member is what hello tells.
type member struct {
	ok            bool
	role, set     string
	lastWrite     int64 // ms since the Unix epoch; 0 where not told
	code, message string
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
		case "isWritablePrimary":
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
