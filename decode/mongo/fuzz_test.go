package mongo

import (
	"encoding/binary"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode"
	bsonwalk "github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// FuzzFeed holds that any bytes in any pieces end, and tell the same however
// they are cut.
func FuzzFeed(f *testing.F) {
	insert := msg(7, 0, 0, d{e("insert", "c"), e("comment", "a.go:1"), e("$db", "d")}, docs("documents", d{e("x", 1)}))
	add := func(ask, answer string) {
		f.Add([]byte(ask), []byte(answer), 3, false)
		f.Add([]byte(ask), []byte(answer), 40, true)
	}
	add(insert, msg(1, 7, 0, d{e("n", 1), e("ok", 1)}))
	add(query(7, "d.c", queryExhaust, 0, d{e("$query", d{})}), opReplyMsg(1, 7, 0, 5, d{})+opReplyMsg(2, 1, 0, 0))
	add(msg(1, 0, flagExhaust, d{e("hello", 1)}), msg(20, 1, flagMore, ok1)+msg(21, 20, 0, ok1))
	add(wire(1, 0, opCommand, "d\x00find\x00"+marshal(d{e("find", "c")})+marshal(d{})), wire(2, 1, opCommandReply, marshal(ok1)+marshal(d{})))
	for id := range compressors {
		add(packed(id, insert), packed(id, msg(1, 7, 0, batch(5, "firstBatch", 3))))
	}
	f.Fuzz(func(t *testing.T, ask, answer []byte, chunk int, mid bool) {
		c := testConn()
		c.MidStream = mid
		c.Limits.Document, c.Limits.Keep, c.Limits.Pending, c.Limits.Text = 1<<20, 1<<10, 8, 200
		play := func(chunk int) *testkit.Recorder {
			return testkit.Play(joined(Protocol(Options{Cursors: 4}), c), chunk, testkit.C(string(ask)), testkit.S(string(answer)))
		}
		whole := play(0)
		for i := range whole.Exchanges {
			x := &whole.Exchanges[i]
			if len(x.Mongo.Query) > 200 || len(x.Mongo.Operation) > maxName || x.End < x.Start || x.Mongo.Batch < 0 {
				t.Fatalf("told %s", x.AppendJSON(nil))
			}
		}
		if got, want := play(1+abs(chunk)%64).JSON(), whole.JSON(); got != want {
			t.Fatalf("in pieces\n%s\nwhole\n%s", got, want)
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }

// FuzzMessage holds that a message that is whole but for its content breaks
// nothing, compressed or not, cut down or not.
func FuzzMessage(f *testing.F) {
	for _, m := range []string{
		msg(7, 0, 0, d{e("find", "c"), e("filter", d{e("a", a{1, d{}})}), e("comment", a{"a.go:1", d{e("x", 1)}})}, docs("updates", d{e("q", d{})})),
		msg(7, 0, 0, batch(5, "nextBatch", 3)), packed(1, ping(7)), packed(2, ping(7)), packed(3, ping(7)),
	} {
		f.Add(int32(opMsg), []byte(m)[headerLen:])
		f.Add(int32(opCompressed), []byte(m)[headerLen:])
	}
	f.Fuzz(func(t *testing.T, opcode int32, body []byte) {
		m := wire(7, 7, int(opcode), string(body))
		c := testConn()
		c.Limits.Keep = 512
		for _, chunk := range []int{0, 100} {
			testkit.Play(joined(Protocol(Options{}), c), chunk, testkit.C(m), testkit.S(m))
		}
	})
}

// FuzzHole holds that cutting a message down counts what reading all of it
// counts.
func FuzzHole(f *testing.F) {
	f.Add([]byte("\x03a\x00"+marshal(d{e("x", 1)})+"\x02b\x00\x02\x00\x00\x00y\x00"), 3)
	f.Add([]byte("\x0ba\x00b\x00c\x00\x10d\x00\x01\x00\x00\x00"), 1)
	f.Fuzz(func(t *testing.T, elements []byte, chunk int) {
		o := hole{array: true, left: len(elements) + 1}
		o.state = o.first()
		for b := append(elements[:len(elements):len(elements)], 0); len(b) > 0; {
			n := o.feed(b[:min(len(b), 1+abs(chunk)%9)])
			b = b[n:]
		}
		doc := binary.LittleEndian.AppendUint32(nil, uint32(len(elements)+5))
		doc = append(append(doc, elements...), 0)
		if n, ok := bsonwalk.Count(doc); ok && !o.open() && o.n != n {
			t.Fatalf("counted %d, not %d", o.n, n)
		}
	})
}

func TestDetect(t *testing.T) {
	find := msg(7, 0, 0, d{e("find", "c"), e("$db", "d")})
	reply := msg(1, 7, 0, ok1)
	for _, c := range []struct {
		name string
		dir  event.Dir
		b    string
		want decode.Verdict
	}{
		{"nothing", 0, "", decode.Maybe},
		{"request", 0, find, decode.Yes},
		{"request taken for an answer", 1, find, decode.No},
		{"answer", 1, reply, decode.Yes},
		{"answer taken for a request", 0, reply, decode.No},
		{"header only", 0, find[:16], decode.Maybe},
		{"compressed", 0, packed(1, find), decode.Yes},
		{"query", 0, query(0, "admin.$cmd", 4, -1, ok1), decode.Yes},
		{"reply", 1, opReplyMsg(1, 0, 8, 0, ok1), decode.Yes},
		{"HTTP", 0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", decode.No},
		{"HTTP/2", 0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", decode.No},
		{"TLS", 0, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 40), decode.No},
		{"zeros", 0, strings.Repeat("\x00", 100), decode.No},
		{"flags that do not exist", 0, find[:16] + "\x80" + find[17:], decode.No},
		{"no such section", 0, find[:20] + "\x07" + find[21:], decode.No},
		{"document longer than the message", 0, find[:21] + le32(4000) + find[25:], decode.No},
	} {
		if got := Detect(c.dir, []byte(c.b)); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	for cut := range find {
		if v := Detect(0, []byte(find[:cut])); v == decode.No || (cut >= lookLen) != (v == decode.Yes) {
			t.Errorf("%d bytes of a request: %d", cut, v)
		}
	}
}
