package health

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/pitot-io/pitot/internal/minimongo"
)

// mongod is a server of a replica set that answers every message with doc.
func mongod(t *testing.T, doc bson.D) string {
	body, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		for {
			var head [16]byte
			if _, err := io.ReadFull(c, head[:]); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, c, int64(binary.LittleEndian.Uint32(head[:])-16)); err != nil {
				return
			}
			var b []byte
			for _, n := range []uint32{uint32(21 + len(body)), 7, binary.LittleEndian.Uint32(head[4:]), 2013, 0} {
				b = binary.LittleEndian.AppendUint32(b, n)
			}
			if _, err := c.Write(append(append(b, 0), body...)); err != nil {
				return
			}
		}
	})
}

// wrote is when a member of the set wrote last.
func wrote(ago time.Duration) bson.E {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(-ago)
	return bson.E{Key: "lastWrite", Value: bson.D{{Key: "lastWriteDate", Value: bson.NewDateTimeFromTime(at)}}}
}

func primaryAnswer() bson.D {
	return bson.D{{Key: "isWritablePrimary", Value: true}, {Key: "secondary", Value: false}, {Key: "setName", Value: "rs0"}, wrote(0), {Key: "ok", Value: 1.0}}
}

func TestMongo(t *testing.T) {
	primary := mongod(t, primaryAnswer())
	secondary := mongod(t, bson.D{{Key: "isWritablePrimary", Value: false}, {Key: "secondary", Value: true}, {Key: "setName", Value: "rs0"}, wrote(3 * time.Second), {Key: "ok", Value: 1.0}})
	starting := mongod(t, bson.D{{Key: "isWritablePrimary", Value: false}, {Key: "secondary", Value: false}, {Key: "setName", Value: "rs0"}, {Key: "ok", Value: 1.0}})
	arbiter := mongod(t, bson.D{{Key: "arbiterOnly", Value: true}, {Key: "setName", Value: "rs0"}, {Key: "ok", Value: 1.0}})
	refusing := mongod(t, bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: 91}, {Key: "codeName", Value: "ShutdownInProgress"}})
	mongos, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mongos.Close() })
	checks := map[string]*Mongo{}
	for _, role := range []string{"any", "primary", "secondary", "mongos"} {
		checks[role] = &Mongo{Role: role}
	}
	for _, c := range []struct {
		at, role string
		outcome  Outcome
		why, tag string
		lag      time.Duration
	}{
		{primary, "any", Success, "primary", "primary", 0},
		{secondary, "any", Success, "secondary", "secondary", 3 * time.Second},
		{mongos.Addr(), "any", Success, "mongos", "mongos", -1},
		{starting, "any", Failure, "it is neither primary, secondary nor mongos", "other", -1},
		{arbiter, "any", Failure, "it is neither primary, secondary nor mongos", "arbiter", -1},
		{primary, "primary", Success, "primary", "primary", 0},
		{secondary, "primary", Failure, "it is secondary, not primary", "secondary", 3 * time.Second},
		{secondary, "secondary", Success, "secondary", "secondary", 0}, // the only one that this check has seen
		{mongos.Addr(), "primary", Failure, "it is mongos, not primary", "mongos", -1},
		{mongos.Addr(), "mongos", Success, "mongos", "mongos", -1},
		{refusing, "any", Failure, "error 91 ShutdownInProgress", "", -1},
	} {
		line := lineTo(t, c.at, nil)
		for range 2 { // the second time over the same connection
			a := ask(t, line, checks[c.role], patience)
			if a.Outcome != c.outcome || a.Why != c.why || a.Tags[TagRole] != c.tag || a.Lag != c.lag {
				t.Errorf("%s: %+v", c.role, a)
			}
		}
		if line.conn == nil {
			t.Error("the connection is not kept")
		}
	}
}

// oldMongod is a server that does not know hello: it answers with refusal, or
// closes the connection where there is none. isMaster it knows; n counts what it
// was asked.
func oldMongod(t *testing.T, refusal bson.D, n *atomic.Int64) string {
	return serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		for {
			var head [16]byte
			if _, err := io.ReadFull(c, head[:]); err != nil {
				return
			}
			body := make([]byte, binary.LittleEndian.Uint32(head[:])-16)
			if _, err := io.ReadFull(c, body); err != nil {
				return
			}
			n.Add(1)
			code, before, doc := uint32(2013), "\x00\x00\x00\x00\x00", refusal
			if binary.LittleEndian.Uint32(head[12:]) == 2004 {
				var q bson.D
				if err := bson.Unmarshal(body[4+len("admin.$cmd\x00")+8:], &q); err != nil || string(body[4:15]) != "admin.$cmd\x00" || len(q) != 1 || q[0].Key != "isMaster" {
					t.Errorf("asked %q: %v, %v", body, q, err)
				}
				code, before = 1, strings.Repeat("\x00", 16)+"\x01\x00\x00\x00"
				doc = bson.D{{Key: "ismaster", Value: true}, {Key: "setName", Value: "rs0"}, {Key: "maxWireVersion", Value: 8}, {Key: "ok", Value: 1.0}}
			}
			if doc == nil {
				return
			}
			b, _ := bson.Marshal(doc)
			var answer []byte
			for _, n := range []uint32{uint32(16 + len(before) + len(b)), 7, binary.LittleEndian.Uint32(head[4:]), code} {
				answer = binary.LittleEndian.AppendUint32(answer, n)
			}
			if _, err := c.Write(append(append(answer, before...), b...)); err != nil {
				return
			}
		}
	})
}

// A server that does not know hello is asked for isMaster: at once, and from then
// on first of all.
func TestOldMongo(t *testing.T) {
	for name, refusal := range map[string]bson.D{
		"4.2":            {{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: "no such command: 'hello'"}, {Key: "code", Value: 59}, {Key: "codeName", Value: "CommandNotFound"}},
		"without a code": {{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: "no such cmd: hello"}},
		"3.4":            nil, // closes the connection
	} {
		var n atomic.Int64
		line := lineTo(t, oldMongod(t, refusal, &n), nil)
		for range 3 {
			if a := ask(t, line, &Mongo{Role: "primary"}, patience); a.Outcome != Success || a.Why != "primary" || a.Tags[TagSet] != "rs0" {
				t.Errorf("%s: %+v", name, a)
			}
		}
		if n.Load() != 4 {
			t.Errorf("%s: asked %d times, want hello once and isMaster three times", name, n.Load())
		}
	}
}

// One that answers neither has failed, and is asked for hello again; so is one
// that closes a connection which was kept.
func TestClosingMongo(t *testing.T) {
	var n atomic.Int64
	at := serve(t, "tcp", "127.0.0.1:0", func(net.Conn) { n.Add(1) })
	line := lineTo(t, at, nil)
	if a := ask(t, line, &Mongo{Role: "any"}, patience); a.Outcome != Network || line.old || n.Load() != 2 {
		t.Errorf("%+v, old: %v, %d connections", a, line.old, n.Load())
	}
	mongos, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mongos.Close() })
	line = lineTo(t, mongos.Addr(), nil)
	for _, old := range []bool{false, true, true} { // a newer one knows isMaster, too
		line.old = line.old || old
		if a := ask(t, line, &Mongo{Role: "any"}, patience); a.Outcome != Success || a.Why != "mongos" || line.old != old {
			t.Errorf("old: %v: %+v", old, a)
		}
	}
	line.old = false
	_ = line.conn.CloseWrite()
	if a := ask(t, line, &Mongo{Role: "any"}, patience); a.Outcome != Success || line.old {
		t.Errorf("over a new connection: %+v, old: %v", a, line.old)
	}
}

// A length is not believed.
func TestLongReply(t *testing.T) {
	_, err := readReply(strings.NewReader("\x00\x00\x00\x40\x07\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00"))
	if err == nil || !strings.Contains(err.Error(), "no answer of MongoDB") {
		t.Error(err)
	}
}

// FuzzReply holds that no answer brings the reader down, and that nothing but a
// document of the answer's own length is taken.
func FuzzReply(f *testing.F) {
	f.Add([]byte("\x26\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00\x11\x00\x00\x00\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00"))
	f.Add([]byte("\x26\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00\x12\x00\x00\x00\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00"))
	f.Add([]byte("\x35\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x11\x00\x00\x00\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := readReply(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		if len(doc) > len(b) {
			t.Fatalf("a document of %d bytes in %d", len(doc), len(b))
		}
		a := new(Mongo).judge(doc)
		if a.Outcome == Success {
			t.Fatalf("no role was asked for: %+v", a)
		}
	})
}
