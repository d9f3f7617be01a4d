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
		testkit.Play(c, 0, testkit.C(typical.ask), testkit.S(typical.answer))
	}
	x := s.take()
	var f fetched
	var sec sections
	sec.parse([]byte(typical.ask)[headerLen:], false)
	if !s.plans.find(x, &f, sec.doc, nil, testConn().Limits.Text) {
		t.Fatal("no plan")
	}
	var r result
	sec.parse([]byte(typical.answer)[headerLen:], false)
	if !x.planned(sec.doc, &r) || !r.ok || r.batch != 3 {
		t.Errorf("no plan of the answer: %+v", r)
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

// answers are answers whose structure is alike, or nearly.
func answers() (all []string) {
	for _, c := range []d{
		batch(0, "firstBatch", 2), batch(0, "firstBatch", 0), batch(99, "firstBatch", 12), batch(98, "nextBatch", 1), batch(0, "nextBatch", 1),
		{e("n", 3), e("ok", 1.0)}, {e("n", 4), e("ok", 1.0)}, {e("n", 4), e("ok", 1)}, {e("n", 4), e("ok", 0.0)}, {e("n", int64(4)), e("ok", 1.0), e("operationTime", bson.Timestamp{T: 1})},
		{e("n", 1), e("nModified", 1), e("ok", 1.0)}, {e("n", 0), e("writeErrors", a{d{e("code", 11000)}}), e("ok", 1.0)},
		{e("n", 0), e("writeConcernError", d{e("code", 64)}), e("ok", 1.0)}, {e("ok", 0.0), e("code", 59), e("codeName", "CommandNotFound")},
		{e("values", a{1, 2}), e("ok", 1.0)}, {e("values", a{"x"}), e("ok", 1.0)}, {e("ok", 1.0)}, {e("cursor", d{}), e("ok", 1.0)},
		{e("cursor", d{e("firstBatch", d{e("x", 1)}), e("id", 7)}), e("ok", 1.0)}, {e("ok", 1.0), e("n", 1), e("n", 2)}, {e("n", "text"), e("ok", 1.0)},
	} {
		all = append(all, msg(1, 7, 0, c))
	}
	return all
}

func TestPlansOfAnswersTellWhatReadingTells(t *testing.T) {
	for _, ask := range []string{
		msg(7, 0, 0, d{e("find", "c"), e("$db", "d")}), msg(7, 0, 0, d{e("insert", "c"), e("$db", "d")}), msg(7, 0, 0, d{e("count", "c"), e("$db", "d")}),
		msg(7, 0, 0, d{e("getMore", int64(5)), e("collection", "c"), e("$db", "d")}), msg(7, 0, 0, d{e("killCursors", "c"), e("cursors", a{int64(5)}), e("$db", "d")}),
	} {
		all := answers()
		want := make([]string, len(all))
		for i := range all {
			want[i] = testkit.Play(Protocol(Options{}).New(testConn()), 0, testkit.C(ask), testkit.S(all[i])).JSON()
		}
		for first := range all {
			p := Protocol(Options{})
			for k := range 2 * len(all) {
				i := (first + k/2) % len(all)
				if got := testkit.Play(p.New(testConn()), 0, testkit.C(ask), testkit.S(all[i])).JSON(); got != want[i] {
					t.Errorf("answer %d after %d to %d\n got %s\nwant %s", i, first, i-1, got, want[i])
				}
			}
		}
	}
}

// answeredAsFresh is sameAsFresh for answers to one command.
func answeredAsFresh(t *testing.T, ask, first, then string) {
	t.Helper()
	want := testkit.Play(Protocol(Options{}).New(testConn()), 0, testkit.C(ask), testkit.S(then)).JSON()
	p := Protocol(Options{})
	for range 2 {
		testkit.Play(p.New(testConn()), 0, testkit.C(ask), testkit.S(first))
	}
	for range 2 {
		if got := testkit.Play(p.New(testConn()), 0, testkit.C(ask), testkit.S(then)).JSON(); got != want {
			t.Errorf("after %q\n got %s\nwant %s", first, got, want)
		}
	}
}

func FuzzPlanOfAnswer(f *testing.F) {
	all := answers()
	for i := range all {
		f.Add([]byte(all[i])[headerLen:], []byte(all[(i+1)%len(all)])[headerLen:])
	}
	ask := msg(7, 0, 0, d{e("getMore", int64(5)), e("collection", "c"), e("$db", "d")})
	f.Fuzz(func(t *testing.T, first, then []byte) {
		answeredAsFresh(t, ask, wire(1, 7, opMsg, string(first)), wire(1, 7, opMsg, string(then)))
		answeredAsFresh(t, ask, wire(1, 7, opMsg, string(then)), wire(1, 7, opMsg, string(then)))
	})
}
