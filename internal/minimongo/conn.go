package minimongo

import (
	"bufio"
	"errors"
	"net"
	"os"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// writeTimeout bounds how long a client may leave a reply unread.
const writeTimeout = 30 * time.Second

// conn is one client's connection, served by one goroutine.
type conn struct {
	server *Server
	nc     net.Conn
	in     *bufio.Reader
	id     int32
	buf    []byte // of the last reply, reused
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{server: s, nc: nc, in: bufio.NewReader(nc), id: s.connIDs.Add(1)}
}

// serve answers messages until the client leaves, says something that is not the protocol, or the server closes.
func (c *conn) serve() {
	for {
		m, err := readMessage(c.in, c.server.codecs)
		if err != nil {
			return
		}
		if err := c.answer(m); err != nil {
			return
		}
	}
}

// answer runs one message's command and replies, more than once on an exhaust stream.
func (c *conn) answer(m message) error {
	q, err := m.parse()
	if err != nil {
		return err
	}
	r := newRequest(c, q.body)
	to := m.id
	for {
		doc := c.server.run(r)
		if q.flags&flagMoreToCome != 0 {
			return nil // an unacknowledged write: nobody waits for a reply
		}
		more := q.flags&flagExhaustAllowed != 0 && r.streams(doc)
		if to, err = c.reply(m, to, r.name, doc, more); err != nil || !more {
			return err
		}
		if r, err = r.next(doc); err != nil || r == nil {
			return err
		}
	}
}

// reply writes one reply and returns its id, which the next of a stream answers.
func (c *conn) reply(m message, to int32, name string, doc bson.D, more bool) (int32, error) {
	raw, err := bson.Marshal(doc)
	if err != nil {
		return 0, err
	}
	id := c.server.messages.Add(1)
	flags := uint32(0)
	if more {
		flags = flagMoreToCome
	}
	c.buf = appendReply(c.buf[:0], id, to, m.code, flags, raw)
	out := c.buf
	if m.compressor != noCompressor && compressible(name) {
		if out, err = c.server.codecs.deflate(m.compressor, out); err != nil {
			return 0, err
		}
	}
	if cap(c.buf) > 1<<20 {
		c.buf = nil // one large batch must not be held for the connection's life
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	_, err = c.nc.Write(out)
	return id, err
}

// compressible says whether a command's messages may be compressed; those of the handshake never are.
func compressible(name string) bool {
	switch name {
	case "hello", "isMaster", "ismaster", "saslStart", "saslContinue", "getnonce", "authenticate", "createUser", "updateUser", "copydb", "copydbgetnonce", "copydbSaslStart":
		return false
	}
	return true
}

// idle waits d for the client to say or close something, and says whether it stayed silent.
func (c *conn) idle(d time.Duration) bool {
	if err := c.nc.SetReadDeadline(time.Now().Add(d)); err != nil {
		return false
	}
	_, err := c.in.Peek(1)
	c.nc.SetReadDeadline(time.Time{})
	return errors.Is(err, os.ErrDeadlineExceeded)
}
