package mongo

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/pitot-io/pitot/internal/testkit"
)

// sameAsFresh plays b on a decoder that has seen a often enough to have a plan
// of it, and holds that it tells what one tells that has seen nothing.
func sameAsFresh(t *testing.T, a, b string) {
	t.Helper()
	p := Protocol(Options{})
	for range 3 {
		testkit.Play(p.New(testConn()), 0, testkit.C(a), testkit.C(b))
	}
	want := testkit.Play(Protocol(Options{}).New(testConn()), 0, testkit.C(b)).JSON()
	for _, chunk := range []int{0, 7} {
		if got := testkit.Play(p.New(testConn()), chunk, testkit.C(b)).JSON(); got != want {
			t.Errorf("after %q\n got %s\nwant %s", a, got, want)
		}
	}
}

// variants are commands whose structure is alike, or nearly.
func variants() (all []string) {
	session := e("lsid", d{e("id", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")})})
	other := e("lsid", d{e("id", bson.Binary{Subtype: 4, Data: []byte("fedcba9876543210")})})
	db := e("$db", "shop")
	for _, c := range []d{
		{e("find", "orders"), e("filter", d{e("user", "bob")}), e("limit", 5), session, db},
		{e("find", "orders"), e("filter", d{e("user", "robert")}), e("limit", 50), other, db},
		{e("find", "orders"), e("filter", d{e("user", 7)}), e("limit", 50), other, db},
		{e("find", "orders"), e("filter", d{e("usex", "bob")}), e("limit", 5), session, db},
		{e("find", "ordert"), e("filter", d{e("user", "bob")}), e("limit", 5), session, db},
		{e("find", "orders"), e("filter", d{e("user", "bob")}), e("limit", 5), session, e("$db", "till")},
		{e("find", "orders"), e("filter", d{e("_id", d{e("$in", a{1, 2, 3})})}), db},
		{e("find", "orders"), e("filter", d{e("_id", d{e("$in", a{1})})}), db},
		{e("find", "orders"), e("filter", d{e("_id", d{e("$in", a{d{e("x", 1)}})})}), db},
		{e("find", "orders"), e("filter", d{e("_id", d{e("$in", a{d{e("x", 1)}, d{e("y", 1)}})})}), db},
		{e("find", "orders"), e("filter", d{e("_id", d{e("$eq", 1)}), e("$comment", "a.go:1")}), db},
		{e("find", "orders"), e("filter", d{e("_id", d{e("$eq", 1)}), e("$comment", "b.go:2")}), e("comment", "c.go:3"), db},
		{e("find", "orders"), e("filter", d{e("r", bson.Regex{Pattern: "^a", Options: "i"})}), db},
		{e("find", "orders"), e("filter", d{e("deep", d{e("a", d{e("b", d{e("$comment", "no"), e("c", a{a{1}, d{}})})})})}), db},
		{e("find", "orders"), e("tailable", true), e("awaitData", true), db},
		{e("find", "orders"), e("tailable", true), e("awaitData", false), db},
		{e("find", "orders"), e("comment", d{e("traceparent", parentText)}), db},
		{e("insert", "orders"), e("documents", a{d{e("x", 1)}, d{e("y", 2)}}), e("txnNumber", int64(7)), session, db},
		{e("insert", "orders"), e("documents", a{d{e("z", 1)}}), e("txnNumber", int64(8)), e("startTransaction", true), e("autocommit", false), db},
		{e("insert", "orders"), e("documents", a{}), e("txnNumber", int64(8)), e("autocommit", false), db},
		{e("update", "orders"), e("updates", a{d{e("q", d{e("_id", 1), e("$comment", "u.go:1")}), e("u", d{e("$set", d{e("a.3.b", 1)})})}}), db},
		{e("update", "orders"), e("updates", a{d{e("q", d{e("_id", 1)}), e("u", d{e("$set", d{e("a.4.b", 1)})})}, d{e("q", d{}), e("u", d{})}}), db},
		{e("aggregate", "orders"), e("pipeline", a{d{e("$match", d{e("_id", 1), e("$comment", "p.go:9")})}, d{e("$limit", 3)}}), e("cursor", d{}), db},
		{e("aggregate", "orders"), e("pipeline", a{d{e("$limit", 3)}, d{e("$match", d{e("_id", 1), e("$comment", "p.go:9")})}}), e("cursor", d{e("batchSize", 3)}), db},
		{e("aggregate", "orders"), e("pipeline", a{d{e("$changeStream", d{})}}), e("cursor", d{}), db},
		{e("aggregate", 1), e("pipeline", a{}), db},
		{e("getMore", int64(77)), e("collection", "orders"), e("maxTimeMS", 5), db},
		{e("getMore", int64(78)), e("collection", "orders"), db},
		{e("getMore", int64(79)), e("collection", "people"), db},
		{e("killCursors", "orders"), e("cursors", a{int64(5), int64(6)}), db},
		{e("find", "orders"), e("limit", 1), e("limit", 2), db, e("$db", "twice")},
		{e("explain", d{e("find", "orders")}), db},
		{e("saslStart", 1), e("payload", "x"), db},
	} {
		all = append(all, msg(7, 0, 0, c))
	}
	ask := d{e("update", "orders"), db}
	one := d{e("q", d{e("_id", 1), e("$comment", "s.go:1")}), e("u", a{d{e("$set", d{e("x", 1)})}})}
	return append(all,
		msg(7, 0, 0, ask, docs("updates", one)), msg(7, 0, 0, ask, docs("updates", one, one)), msg(7, 0, 0, ask, docs("updates")), msg(7, 0, 0, ask),
		msg(7, 0, 0, d{e("insert", "orders"), db}, docs("documents", d{}, d{e("x", 1)})), msg(7, 0, 0, d{e("insert", "orders"), db}, docs("documents", d{})),
		msg(7, 0, 0, ask, docs("deletes", one)), msg(7, 0, 0, d{e("bulkWrite", 1), db}, docs("ops", d{}), docs("nsInfo", d{e("ns", "a.b")})),
		msg(7, 0, 0, d{e("find", "orders"), db}, "\x03"+marshal(d{e("otel", d{e("traceparent", parentText)})})),
	)
}

func TestPlansTellWhatReadingTells(t *testing.T) {
	all := variants()
	want := make([]string, len(all))
	for i, b := range all {
		want[i] = testkit.Play(Protocol(Options{}).New(testConn()), 0, testkit.C(b)).JSON()
	}
	for first := range all { // whichever was there first
		p := Protocol(Options{})
		for k := range all {
			i := (first + k) % len(all)
			for range 2 {
				if got := testkit.Play(p.New(testConn()), 0, testkit.C(all[i])).JSON(); got != want[i] {
					t.Errorf("command %d after %d to %d\n got %s\nwant %s", i, first, i-1, got, want[i])
				}
			}
		}
	}
}

// Commands that come again and again are not read in full.
func TestPlansAreFound(t *testing.T) {
	s := newShared(Options{})
	c := newConn(testConn(), s)
	for range 2 {
		testkit.Play(c, 0, testkit.C(typical.ask))
	}
	x := s.take()
	var f fetched
	var sec sections
	sec.parse([]byte(typical.ask)[headerLen:], false)
	if !s.plans.find(x, &f, sec.doc, nil, testConn().Limits.Text) {
		t.Error("no plan")
	}
}

// A row that is full takes in a command that comes twice.
func TestPlansMakeRoom(t *testing.T) {
	var row planRow
	for i := range planWays {
		row.place(uint64(i)).Store(new(plan))
	}
	if row.place(9) != nil || row.place(9) != &row.ways[9%planWays] {
		t.Error("the second time gets no place, or the first one does")
	}
}

// FuzzPlan holds that what was seen before changes nothing of what is told.
func FuzzPlan(f *testing.F) {
	all := variants()
	for i := range all {
		f.Add([]byte(all[i])[headerLen:], []byte(all[(i+1)%len(all)])[headerLen:])
	}
	f.Fuzz(func(t *testing.T, first, then []byte) {
		sameAsFresh(t, wire(7, 0, opMsg, string(first)), wire(7, 0, opMsg, string(then)))
		sameAsFresh(t, wire(7, 0, opMsg, string(then)), wire(7, 0, opMsg, string(then)))
	})
}
