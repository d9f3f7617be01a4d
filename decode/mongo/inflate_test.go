package mongo

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/testkit"
)

func compress(id int, body string) string {
	switch id {
	case compressSnappy:
		return string(snappy.Encode(nil, []byte(body)))
	case compressZlib:
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		_, _ = w.Write([]byte(body))
		_ = w.Close()
		return b.String()
	case compressZstd:
		w, _ := zstd.NewWriter(nil)
		return string(w.EncodeAll([]byte(body), nil))
	}
	return body
}

// packed is the message m in an OP_COMPRESSED.
func packed(id int, m string) string {
	h := parseHeader([]byte(m))
	body := m[headerLen:]
	return wire(int(h.requestID), int(h.responseTo), opCompressed, le32(int(h.opcode))+le32(len(body))+string(rune(id))+compress(id, body))
}

func TestCompressed(t *testing.T) {
	for id, name := range compressors {
		t.Run(name, func(t *testing.T) {
			r := check(t, "find c unset db=d q={find: ?, filter: {a: ?}} class=scatter rows=3 cursor=5 compressor="+name,
				testkit.C(packed(id, msg(7, 0, 0, d{e("find", "c"), e("filter", d{e("a", 1)}), e("$db", "d")}))),
				testkit.S(packed(id, msg(9, 7, 0, batch(5, "firstBatch", 3)))))
			if op := r.Exchanges[0].Mongo.Opcode; op != opMsg {
				t.Errorf("opcode %d", op)
			}
		})
	}
}

func TestCompressedExhaust(t *testing.T) {
	check(t, "hello unset db=d q={hello: ?} replies=2",
		testkit.C(msg(1, 0, flagExhaust, d{e("hello", 1), e("$db", "d")})),
		testkit.S(packed(1, msg(20, 1, flagMore, ok1))), testkit.S(packed(2, msg(21, 20, 0, ok1))))
}

func TestCompressedThatCannotBeUndone(t *testing.T) {
	m := packed(compressZlib, ping(1))
	for name, bad := range map[string]string{
		"unknown compressor":      m[:24] + "\x07" + m[25:],
		"no zlib":                 m[:25] + strings.Repeat("x", len(m)-25),
		"compressed twice":        m[:16] + le32(opCompressed) + m[20:],
		"opcode of the other way": m[:16] + le32(opReply) + m[20:],
		"negative size":           m[:20] + le32(-1) + m[24:],
		"size over the limit":     m[:20] + le32(maxMessage+1) + m[24:],
	} {
		t.Run(name, func(t *testing.T) {
			r := testkit.Play(fresh(), 0, testkit.C(bad), testkit.S(msg(9, 1, 0, ok1)))
			if got := tellAll(r); len(r.Exchanges) != 1 || !strings.Contains(got, "undecoded_compression") {
				t.Errorf("told %s", got)
			}
		})
	}
}

// A message that inflates to more than it says is cut at what it says.
func TestBombIsCut(t *testing.T) {
	for id := 1; id <= 3; id++ {
		body := strings.Repeat("\x00", 10<<20)
		m := wire(1, 0, opCompressed, le32(opMsg)+le32(1000)+string(rune(id))+compress(id, body))
		in := new(inflater)
		got := message{header: parseHeader([]byte(m)), body: []byte(m)[headerLen:]}
		l := decode.DefaultLimits()
		in.message(&got, 0, &l)
		if len(got.body) > 1000 || cap(in.out) > 64<<10 {
			t.Errorf("%s: %d bytes, room for %d", compressors[id], len(got.body), cap(in.out))
		}
	}
}

// documents that do not compress, so that the compressed message is large too.
func noise(n, size int) []any {
	r := rand.New(rand.NewPCG(1, 2))
	list := make([]any, n)
	for i := range list {
		b := make([]byte, size)
		for j := range b {
			b[j] = "0123456789abcdefghijklmnopqrstuvwxyz"[r.IntN(36)]
		}
		list[i] = d{e("_id", i), e("x", string(b))}
	}
	return list
}

// Batches far beyond what is kept are counted, and what stands after them is
// still read, however the message comes.
func TestLargeBatches(t *testing.T) {
	const n = 400
	insert := msg(1, 0, 0, d{e("insert", "c"), e("comment", "a.go:1"), e("$db", "d")}, docs("documents", noise(n, 300)...))
	late := wire(1, 0, opMsg, le32(0)+docs("documents", noise(n, 300)...)+"\x00"+marshal(d{e("insert", "c"), e("comment", "a.go:1"), e("$db", "d")}))
	inside := msg(1, 0, 0, d{e("insert", "c"), e("documents", noise(n, 300)), e("comment", "a.go:1"), e("$db", "d")})
	bulk := msg(1, 0, 0, d{e("bulkWrite", 1), e("$db", "admin")}, docs("ops", noise(n, 300)...), docs("nsInfo", d{e("ns", "d.c")}))
	reply := msg(2, 1, 0, d{e("n", n), e("ok", 1)})
	find := msg(1, 0, 0, d{e("find", "c"), e("$db", "d")})
	found := msg(2, 1, 0, d{e("cursor", d{e("firstBatch", noise(n, 300)), e("id", int64(77)), e("ns", "d.c")}), e("ok", 1)})
	failed := msg(2, 1, 0, d{e("n", 0), e("writeErrors", noise(n, 300)), e("ok", 1)})
	one := msg(2, 1, 0, d{e("value", d{e("x", strings.Repeat("y", 1<<20))}), e("lastErrorObject", d{}), e("ok", 0), e("code", 5)})
	for _, c := range []struct{ name, ask, reply, want string }{
		{"documents beside", insert, reply, "insert c unset db=d affected=400 batch=400 site=a.go:1"},
		{"documents before the command", late, reply, "insert c unset db=d affected=400 batch=400 site=a.go:1"},
		{"documents inside", inside, reply, "insert c unset db=d affected=400 batch=400 site=a.go:1"},
		{"bulkWrite", bulk, reply, "bulkWrite c unset db=d affected=400 batch=400"},
		{"answer", find, found, "find c unset db=d class=scatter rows=400 cursor=77"},
		{"distinct", msg(1, 0, 0, d{e("distinct", "c"), e("$db", "d")}), msg(2, 1, 0, d{e("values", noise(n, 300)), e("ok", 1)}), "distinct c unset db=d class=scatter rows=400"},
		{"write errors", insert, failed, "insert c error db=d affected=0 batch=400 error=_OTHER message=write error site=a.go:1 failed=400"},
		{"one large document", find, one, "find c error db=d class=scatter code=5 error=5 message=command failed"},
	} {
		for id := -1; id <= 3; id++ {
			for _, chunk := range []int{0, 1460} {
				ask, reply := c.ask, c.reply
				if id >= 0 {
					ask, reply = packed(id, ask), packed(id, reply)
				}
				limits := testConn()
				limits.Limits.Keep = 2 << 20 // so that the compressed message is whole
				r := testkit.Play(joined(Protocol(Options{}), limits), chunk, testkit.C(ask), testkit.S(reply))
				for i := range r.Exchanges {
					r.Exchanges[i].Mongo.Query, r.Exchanges[i].Mongo.Compressor = "", ""
				}
				got := tellAll(r)
				if got != c.want {
					t.Errorf("%s, compressor %d, chunks of %d:\n got %s\nwant %s", c.name, id, chunk, got, c.want)
				}
			}
		}
	}
}

// What of a connection is held while a large message passes is bounded.
func TestLargeMessageIsNotHeld(t *testing.T) {
	c := newConn(testConn(), newShared(Options{}))
	m := msg(1, 0, 0, d{e("insert", "c"), e("$db", "d")}, docs("documents", noise(1000, 300)...))
	r := new(testkit.Recorder)
	for b := []byte(m); len(b) > 0; {
		n := min(len(b), 1000)
		if err := c.Feed(0, 1, b[:n], r); err != nil {
			t.Fatal(err)
		}
		if h := &c.half[0]; h.buf != nil && cap(*h.buf) > 64<<10 {
			t.Fatalf("%d bytes held", cap(*h.buf))
		}
		b = b[n:]
	}
	if c.half[0].buf != nil {
		t.Error("a buffer is held between messages")
	}
}

// A message whose compressed form is longer than what is kept is told as far
// as its beginning goes.
func TestCompressedAndCut(t *testing.T) {
	insert := msg(1, 0, 0, d{e("insert", "c"), e("comment", "a.go:1"), e("$db", "d")}, docs("documents", noise(2000, 300)...))
	for id, name := range compressors {
		r := testkit.Play(fresh(), 1460, testkit.C(packed(id, insert)), testkit.S(msg(2, 1, 0, ok1)))
		got := tellAll(r)
		if !strings.Contains(got, "insert c unset db=d") || !strings.Contains(got, "site=a.go:1") || !strings.Contains(got, "+body_cut") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// The beginning of a snappy block is the beginning of what was compressed.
func TestUnsnapStart(t *testing.T) {
	text := []byte(strings.Repeat("a call site and a call site, ", 50) + fmt.Sprint(noise(3, 5000)...))
	block := snappy.Encode(nil, text)
	longest := 0
	for cut := range len(block) + 1 {
		got := unsnapStart(make([]byte, 0, len(text)), block[:cut])
		if !bytes.HasPrefix(text, got) || len(got) < longest {
			t.Fatalf("cut at %d: %d bytes after %d", cut, len(got), longest)
		}
		longest = len(got)
	}
	if longest != len(text) {
		t.Errorf("the whole block gives %d of %d bytes", longest, len(text))
	}
}

func TestCompressedSizeThatIsNotThere(t *testing.T) {
	for id, name := range compressors {
		m := packed(id, ping(1))
		size := len(ping(1)) - headerLen
		m = m[:20] + le32(size+50) + m[24:]
		got := tellAll(testkit.Play(fresh(), 0, testkit.C(m), testkit.S(msg(2, 1, 0, ok1))))
		if got != "ping unset db=d q={ping: ?} compressor="+name+" +body_cut" {
			t.Errorf("told %s", got)
		}
	}
}
