package mongo

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// The conversations of these tests are built with the official library.

type (
	d = bson.D
	a = bson.A
)

func e(k string, v any) bson.E { return bson.E{Key: k, Value: v} }

func marshal(v any) string {
	b, err := bson.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func le32(v int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(v))) }
func le64(v int64) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(v)))
}

// wire is a whole message.
func wire(id, to, opcode int, body string) string {
	return le32(16+len(body)) + le32(id) + le32(to) + le32(opcode) + body
}

// msg is an OP_MSG with one document and any further sections.
func msg(id, to, flags int, doc any, sections ...string) string {
	return wire(id, to, opMsg, le32(flags)+"\x00"+marshal(doc)+strings.Join(sections, ""))
}

// list is a section of kind 1.
func docs(name string, docs ...any) string {
	body := name + "\x00"
	for _, x := range docs {
		body += marshal(x)
	}
	return "\x01" + le32(4+len(body)) + body
}

var (
	clientAddr = netip.MustParseAddrPort("10.0.0.1:50000")
	serverAddr = netip.MustParseAddrPort("10.0.0.2:27017")
)

func testConn() decode.Conn {
	return decode.Conn{Client: clientAddr, Server: serverAddr, Limits: decode.DefaultLimits()}
}

func fresh() decode.Decoder { return joined(Protocol(Options{}), testConn()) }

// joined is a decoder of p with p's stage behind it, as pitot runs it.
func joined(p decode.Protocol, c decode.Conn) decode.Decoder { return &staged{p.New(c), p} }

type staged struct {
	decode.Decoder
	p decode.Protocol
}

func (s *staged) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	return s.Decoder.Feed(d, at, b, s.p.Stage(emit))
}
func (s *staged) Gap(d event.Dir, at, n int64, emit event.Emitter) {
	s.Decoder.Gap(d, at, n, s.p.Stage(emit))
}
func (s *staged) Close(at int64, emit event.Emitter) { s.Decoder.Close(at, s.p.Stage(emit)) }

// play gives what is told of a conversation, and holds that any split tells
// the same.
func play(t *testing.T, pieces ...testkit.Piece) *testkit.Recorder {
	t.Helper()
	testkit.EverySplit(fresh, func(cut int, want, got string) {
		t.Errorf("cut at %d:\n got %s\nwant %s", cut, got, want)
	}, pieces...)
	return testkit.Play(fresh(), 0, pieces...)
}

// tell is an exchange in one line, without what is the same in all tests.
func tell(x *event.Exchange) string {
	m := x.Mongo
	b := []string{x.Name, x.Status.String()}
	add := func(k string, v any, not any) {
		if v != not {
			b = append(b, fmt.Sprintf("%s=%v", k, v))
		}
	}
	add("db", m.Database, "")
	add("q", m.Query, "")
	add("class", m.Class.String(), "")
	add("rows", m.Returned, int64(-1))
	add("affected", m.Affected, int64(-1))
	add("batch", m.Batch, int64(0))
	add("limit", m.Limit, int64(0))
	add("cursor", m.Cursor, int64(0))
	add("done", m.CursorDone, false)
	add("code", m.Code, int32(0))
	add("error", x.ErrorType, "")
	add("message", x.StatusMessage, "")
	add("site", m.Site.Name, "")
	add("inherited", m.Site.Inherited, false)
	add("other", m.Site.Other, 0)
	add("txn", m.TxnNumber, int64(-1))
	add("session", m.Session, "")
	add("app", x.Service, "")
	add("driver", m.Driver, "")
	add("step", m.Transaction.String(), "")
	add("retryable", m.Retryable, false)
	add("kind", m.CursorKind.String(), "")
	add("await", m.Await, false)
	add("labels", m.Labels, "")
	add("failed", m.WriteErrors, int32(0))
	add("namespaces", m.Namespaces, int32(0))
	add("compressor", m.Compressor, "")
	add("more", m.MoreToCome, false)
	if m.Exhaust {
		add("replies", m.Replies, 0)
	}
	if !x.TraceID.IsZero() {
		add("trace", fmt.Sprintf("%x/%x", x.TraceID, x.ParentID), "")
	}
	x.Decode.Each(func(name string) { b = append(b, "+"+name) })
	return strings.Join(b, " ")
}

func tellAll(r *testkit.Recorder) string {
	var b []string
	for i := range r.Exchanges {
		b = append(b, tell(&r.Exchanges[i]))
	}
	for i := range r.Notices {
		b = append(b, "! "+r.Notices[i].Body)
	}
	return strings.Join(b, "\n")
}

func check(t *testing.T, want string, pieces ...testkit.Piece) *testkit.Recorder {
	t.Helper()
	r := play(t, pieces...)
	if got := tellAll(r); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	return r
}

var ok1 = d{e("ok", 1.0)}

func batch(id int64, key string, n int) d {
	list := a{}
	for i := range n {
		list = append(list, d{e("_id", i)})
	}
	return d{e("cursor", d{e(key, list), e("id", id), e("ns", "shop.orders")}), e("ok", 1.0)}
}

func TestFind(t *testing.T) {
	r := check(t, `find orders unset db=shop q={find: ?, filter: {user: ?, state: {$in: ?}}, limit: ?} class=scatter rows=2 limit=5 site=app/cart.go:90`,
		testkit.C(msg(7, 0, 0, d{e("find", "orders"), e("filter", d{e("user", "bob"), e("state", d{e("$in", a{"new", "old"})})}),
			e("limit", 5), e("comment", "app/cart.go:90"), e("lsid", d{}), e("$db", "shop")})),
		testkit.S(msg(1, 7, 0, batch(0, "firstBatch", 2))))
	x := &r.Exchanges[0]
	if x.Start != 1_000_000_000 || x.FirstByte != 1_001_000_000 || x.End != 1_001_000_000 || x.Kind != event.Client {
		t.Errorf("times %d %d %d, kind %v", x.Start, x.FirstByte, x.End, x.Kind)
	}
	if x.Mongo.RequestID != 7 || x.Mongo.Opcode != opMsg || x.Mongo.Shape == 0 {
		t.Errorf("id %d, opcode %d, shape %d", x.Mongo.RequestID, x.Mongo.Opcode, x.Mongo.Shape)
	}
}
