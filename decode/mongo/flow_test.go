package mongo

import (
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

func ping(id int) string { return msg(id, 0, 0, d{e("ping", 1), e("$db", "d")}) }

func TestAnswersInAnotherOrder(t *testing.T) {
	check(t, "count c unset db=d q={count: ?} class=scatter rows=1\nping unset db=d q={ping: ?}",
		testkit.C(ping(1)+msg(2, 0, 0, d{e("count", "c"), e("$db", "d")})),
		testkit.S(msg(9, 2, 0, d{e("n", 1), e("ok", 1)})+msg(8, 1, 0, ok1)))
}

func TestRequestThatWantsNoAnswer(t *testing.T) {
	r := check(t, "insert c unset db=d q={insert: ?, documents: ?} batch=1 more=true\nping unset db=d q={ping: ?}",
		testkit.C(msg(1, 0, flagMore, d{e("insert", "c"), e("$db", "d")}, docs("documents", d{}))+ping(2)), testkit.S(msg(3, 2, 0, ok1)))
	if x := r.Exchanges[0]; x.FirstByte != 0 || x.End != x.Start {
		t.Errorf("first byte %d, end %d", x.FirstByte, x.End)
	}
}

func TestUnanswered(t *testing.T) {
	check(t, "ping error db=d q={ping: ?} error=unanswered +no_response", testkit.C(ping(1)))
}

func TestAnswerWithoutRequest(t *testing.T) {
	r := check(t, "reply orders unset db=shop rows=2 +no_request", testkit.S(msg(3, 2, 0, batch(0, "firstBatch", 2))))
	if line := r.JSON(); strings.Contains(line, "request_id") {
		t.Errorf("told %s", line)
	}
}

func TestExhaustChain(t *testing.T) {
	r := check(t, "getMore c unset db=d q={getMore: ?, collection: ?} rows=6 cursor=5 done=true replies=3",
		testkit.C(msg(1, 0, flagExhaust, d{e("getMore", int64(5)), e("collection", "c"), e("$db", "d")})),
		testkit.S(msg(20, 1, flagMore, batch(5, "nextBatch", 1))),
		testkit.S(msg(21, 20, flagMore, batch(5, "nextBatch", 2))),
		testkit.S(msg(22, 21, 0, batch(0, "nextBatch", 3))))
	if x := r.Exchanges[0]; x.FirstByte != 1_001_000_000 || x.End != 1_003_000_000 {
		t.Errorf("first byte %d, end %d", x.FirstByte, x.End)
	}
}

func TestExhaustChainThatBreaksOff(t *testing.T) {
	check(t, "hello unset db=d q={hello: ?} replies=1",
		testkit.C(msg(1, 0, flagExhaust, d{e("hello", 1), e("$db", "d")})), testkit.S(msg(20, 1, flagMore, ok1)))
}

// A driver sends getMore on whichever connection is free.
func TestCursorOfAnotherConnection(t *testing.T) {
	p := Protocol(Options{})
	testkit.Play(joined(p, testConn()), 0,
		testkit.C(msg(1, 0, 0, d{e("find", "c"), e("filter", d{e("_id", 1)}), e("comment", d{e("function", "Cart.load"), e("x", "y"), e("traceparent", parentText)}), e("$db", "d")})),
		testkit.S(msg(9, 1, 0, batch(77, "firstBatch", 1))))
	// Requests between must not write over what is remembered.
	for range 3 {
		testkit.Play(joined(p, testConn()), 0, testkit.C(msg(1, 0, 0, d{e("count", strings.Repeat("c", 200)), e("query", d{e(strings.Repeat("k", 500), 1)}),
			e("comment", d{e("function", "Other.thing"), e("z", "zzz")}), e("$db", "other")})), testkit.S(msg(9, 1, 0, ok1)))
	}
	more := func(comment ...any) string {
		ask := d{e("getMore", int64(77)), e("collection", "c"), e("$db", "d")}
		if len(comment) > 0 {
			ask = append(ask, e("comment", comment[0]))
		}
		return msg(2, 0, 0, ask)
	}
	r := testkit.Play(joined(p, testConn()), 0, testkit.C(more()), testkit.S(msg(9, 2, 0, batch(77, "nextBatch", 2))))
	want := "getMore c unset db=d q={find: ?, filter: {_id: ?}} class=pk rows=2 cursor=77 site=Cart.load inherited=true trace=0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331"
	if got := tellAll(r); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if x := r.Exchanges[0].Mongo.Site.Extra; len(x) != 1 || x[0] != (event.KeyValue{Key: "x", Value: "y"}) {
		t.Errorf("extra %v", x)
	}
	r = testkit.Play(joined(p, testConn()), 0, testkit.C(more("own.go:1")), testkit.S(msg(9, 2, 0, batch(0, "nextBatch", 0))))
	if got := tellAll(r); !strings.Contains(got, "site=own.go:1 trace=") {
		t.Errorf("its own comment: %s", got)
	}
	r = testkit.Play(joined(p, testConn()), 0, testkit.C(more()), testkit.S(msg(9, 2, 0, d{e("ok", 0), e("code", 43)})))
	if got, want := tellAll(r), "getMore c error db=d q={getMore: ?, collection: ?} cursor=77 code=43 error=43 message=CursorNotFound"; got != want {
		t.Errorf("after its end:\n got %s\nwant %s", got, want)
	}
}

func TestCursorOfAnotherServer(t *testing.T) {
	p := Protocol(Options{})
	find := msg(1, 0, 0, d{e("find", "c"), e("comment", "a.go:1"), e("$db", "d")})
	testkit.Play(joined(p, testConn()), 0, testkit.C(find), testkit.S(msg(9, 1, 0, batch(77, "firstBatch", 1))))
	c := testConn()
	c.Server = clientAddr
	r := testkit.Play(joined(p, c), 0, testkit.C(msg(2, 0, 0, d{e("getMore", int64(77)), e("$db", "d")})))
	if got := tellAll(r); strings.Contains(got, "site=") {
		t.Errorf("told %s", got)
	}
}

func TestCursorsAreBoundedAndKilled(t *testing.T) {
	s, t2 := newShared(Options{}), newCursors(Options{Cursors: 2})
	p := decode.Protocol{
		New:   func(c decode.Conn) decode.Decoder { return newConn(c, s) },
		Stage: func(next event.Emitter) event.Emitter { return &stage{t2, next} },
	}
	play := func(pieces ...testkit.Piece) *testkit.Recorder {
		return testkit.Play(joined(p, testConn()), 0, pieces...)
	}
	for id := range int64(3) {
		play(testkit.C(msg(1, 0, 0, d{e("find", "c"), e("comment", "a.go:1"), e("$db", "d")})), testkit.S(msg(9, 1, 0, batch(70+id, "firstBatch", 1))))
	}
	known := func(id int64) bool {
		r := play(testkit.C(msg(2, 0, 0, d{e("getMore", id), e("$db", "d")})))
		return r.Exchanges[0].Mongo.Site.Inherited
	}
	if known(70) || !known(71) || !known(72) || len(t2.open) != 2 {
		t.Errorf("known: %v %v %v", known(70), known(71), known(72))
	}
	play(testkit.C(msg(2, 0, 0, d{e("killCursors", "c"), e("cursors", a{int64(71)}), e("$db", "d")})), testkit.S(msg(9, 2, 0, ok1)))
	if known(71) || !known(72) {
		t.Errorf("after killing 71: %v %v", known(71), known(72))
	}
}

func TestTooManyRequestsWait(t *testing.T) {
	c := testConn()
	c.Limits.Pending = 2
	r := testkit.Play(joined(Protocol(Options{}), c), 0, testkit.C(ping(1)+ping(2)+ping(3)), testkit.S(msg(9, 3, 0, ok1)+msg(8, 2, 0, ok1)))
	var ids []int32
	for _, x := range r.Exchanges {
		ids = append(ids, x.Mongo.RequestID)
	}
	if len(ids) != 3 || ids[0] != 1 || ids[1] != 3 || ids[2] != 2 || r.Exchanges[0].Decode != event.NoResponse {
		t.Errorf("told %v", ids)
	}
}

// A gap inside a body costs the end of that message, no more.
func TestGapInsideABody(t *testing.T) {
	ask, answer := ping(1)+ping(2), msg(9, 1, 0, ok1)
	r := new(testkit.Recorder)
	c := fresh()
	feed := func(dir event.Dir, s string) {
		if err := c.Feed(dir, 1, []byte(s), r); err != nil {
			t.Fatal(err)
		}
	}
	feed(event.ToServer, ask)
	feed(event.ToClient, answer[:30])
	c.Gap(event.ToClient, 2, int64(len(answer)-30), r)
	feed(event.ToClient, msg(10, 2, 0, ok1))
	c.Close(3, r)
	want := "ping unset db=d q={ping: ?} +response_gap +body_cut\nping unset db=d q={ping: ?}"
	if got := tellAll(r); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// After any other gap the next header is looked for.
func TestGapOverMessages(t *testing.T) {
	for cut := range 60 {
		r := new(testkit.Recorder)
		c := fresh()
		lost := ping(1) + ping(2)
		tail := lost[len(lost)-cut%50:]
		next := ping(3) + ping(4)
		_ = c.Feed(event.ToServer, 1, []byte(ping(0)), r)
		c.Gap(event.ToServer, 1, 0, r)
		for _, b := range []string{tail, next[:cut], next[cut:]} {
			if err := c.Feed(event.ToServer, 1, []byte(b), r); err != nil {
				t.Fatal(err)
			}
		}
		for id := range 5 {
			_ = c.Feed(event.ToClient, 2, []byte(msg(50+id, id, 0, ok1)), r)
		}
		c.Close(3, r)
		asked := map[int32]bool{}
		for _, x := range r.Exchanges {
			if x.Decode&event.NoRequest == 0 {
				asked[x.Mongo.RequestID] = true
			}
		}
		if len(r.Exchanges) != 5 || !asked[0] || !asked[3] || !asked[4] {
			t.Fatalf("cut %d:\n%s", cut, tellAll(r))
		}
	}
}

func TestMidStream(t *testing.T) {
	whole := ping(1) + ping(2)
	for cut := 1; cut < len(ping(1)); cut++ {
		c := testConn()
		c.MidStream = true
		r := testkit.Play(joined(Protocol(Options{}), c), 7, testkit.C(whole[cut:]), testkit.S(msg(9, 2, 0, ok1)))
		if got, want := tellAll(r), "ping unset db=d q={ping: ?} +mid_stream"; got != want {
			t.Fatalf("cut %d:\n got %s\nwant %s", cut, got, want)
		}
	}
}

func TestGarbageIsToldOnceAndPassedOver(t *testing.T) {
	check(t, "ping unset db=d q={ping: ?}\nping unset db=d q={ping: ?}\n! mongo: no message begins with length 2021161080 and opcode 2021161080 (to_server); looking for the next one",
		testkit.C(ping(1)+strings.Repeat("x", 40)+ping(2)), testkit.S(msg(8, 1, 0, ok1)+msg(9, 2, 0, ok1)))
}

func TestGivesUpAfterEnoughGarbage(t *testing.T) {
	c := testConn()
	c.Limits.Document = 1 << 10
	r := testkit.Play(joined(Protocol(Options{}), c), 100, testkit.C(strings.Repeat("x", 2000)))
	if n := len(r.Notices); n != 2 || !strings.Contains(r.Notices[1].Body, decode.ErrLost.Error()) {
		t.Errorf("%+v", r.Notices)
	}
}

// However a conversation breaks off, every request is told once.
func TestTruncation(t *testing.T) {
	ask := msg(7, 0, 0, d{e("insert", "c"), e("comment", "a.go:1"), e("$db", "d")}, docs("documents", d{e("x", "y")}, d{}))
	answer := msg(1, 7, 0, d{e("n", 2), e("ok", 1.0)})
	for cut := range len(ask) {
		r := testkit.Play(fresh(), 0, testkit.C(ask[:cut]))
		if len(r.Exchanges) > 1 || (cut > headerLen && len(r.Exchanges) != 1) {
			t.Fatalf("request cut at %d: %s", cut, tellAll(r))
		}
	}
	for cut := range len(answer) {
		r := testkit.Play(fresh(), 0, testkit.C(ask), testkit.S(answer[:cut]))
		if len(r.Exchanges) != 1 {
			t.Fatalf("answer cut at %d: %s", cut, tellAll(r))
		}
	}
}

func TestPositionsAndSizes(t *testing.T) {
	c := testConn()
	c.Position = func(d event.Dir, off int) uint32 { return 1000*uint32(d+1) + uint32(off) }
	ask, answer := ping(1)+ping(2), msg(8, 1, 0, ok1)+msg(9, 2, 0, ok1)
	r := testkit.Play(joined(Protocol(Options{}), c), 0, testkit.C(ask), testkit.S(answer))
	x := r.Exchanges[1]
	if x.RequestSeq != 1000+uint32(len(ask)/2) || x.ResponseSeq != 2000+uint32(len(answer)/2) {
		t.Errorf("positions %d, %d", x.RequestSeq, x.ResponseSeq)
	}
	if x.RequestBytes != int64(len(ask)/2) || x.ResponseBytes != int64(len(answer)/2) {
		t.Errorf("sizes %d, %d", x.RequestBytes, x.ResponseBytes)
	}
}

// A message that is found after a search is told where it begins, also when
// its beginning was carried over from the call before.
func TestPositionAfterASearch(t *testing.T) {
	lost := ping(1)[20:]
	for _, chunk := range []int{0, 1, 7, 30} {
		c := testConn()
		c.MidStream = true
		fed := 0
		c.Position = func(_ event.Dir, off int) uint32 { return uint32(fed + off) }
		dec, r := joined(Protocol(Options{}), c), new(testkit.Recorder)
		for b := []byte(lost + ping(2)); fed < len(b); {
			n := min(len(b)-fed, max(1, chunk))
			if chunk == 0 {
				n = len(b)
			}
			if err := dec.Feed(event.ToServer, 1, b[fed:fed+n], r); err != nil {
				t.Fatal(err)
			}
			fed += n
		}
		dec.Close(2, r)
		if len(r.Exchanges) != 1 || r.Exchanges[0].RequestSeq != uint32(len(lost)) {
			t.Errorf("chunks of %d: %s at %d, want %d", chunk, tellAll(r), r.Exchanges[0].RequestSeq, len(lost))
		}
	}
}

// What is told of a message must not depend on how it comes, not even when
// more of it is wanted than is kept.
func TestMoreThanIsKept(t *testing.T) {
	parts := a{}
	for i := range 9000 {
		parts = append(parts, d{e("a", i), e("b", strings.Repeat("x", 20))})
	}
	ask := msg(7, 0, 0, d{e("find", "c"), e("filter", d{e("$or", parts)}), e("limit", 3), e("$db", "d")})
	values := msg(8, 0, 0, d{e("find", "c"), e("filter", d{e("_id", d{e("$in", noise(1200, 300))})}), e("limit", 3), e("$db", "d")})
	play := func(chunk int) string {
		return tellAll(testkit.Play(fresh(), chunk, testkit.C(ask+values), testkit.S(msg(1, 7, 0, ok1)+msg(2, 8, 0, ok1))))
	}
	want := "find c unset db=d q={find: ?, filter: {$or: [{a: ?, b: ?}]}, limit: ?} class=scatter limit=3 +body_cut\n" +
		"find c unset db=d q={find: ?, filter: {_id: {$in: [{_id: ?, x: ?}]}}, limit: ?} class=multi limit=3 +body_cut"
	for _, chunk := range []int{0, 1460, 100_000} {
		if got := play(chunk); got != want {
			t.Errorf("chunks of %d:\n got %s\nwant %s", chunk, got, want)
		}
	}
}

// Connections may be decoded in any order, side by side: the stage behind them
// joins what they tell when it sees it in order of its end.
func TestDecodersShareNothingThatShows(t *testing.T) {
	find := []testkit.Piece{
		testkit.C(msg(1, 0, 0, d{e("find", "c"), e("filter", d{e("a", 1)}), e("comment", "a.go:1"), e("$db", "d")})), testkit.S(msg(9, 1, 0, batch(77, "firstBatch", 1)))}
	more := []testkit.Piece{
		testkit.C(ping(1)), testkit.S(msg(8, 1, 0, ok1)),
		testkit.C(msg(2, 0, 0, d{e("getMore", int64(77)), e("collection", "c"), e("$db", "d")})), testkit.S(msg(9, 2, 0, batch(0, "nextBatch", 2)))}
	var want string
	for _, laterFirst := range []bool{false, true} {
		p := Protocol(Options{})
		var opened, asked *testkit.Recorder
		if laterFirst {
			asked = testkit.Play(p.New(testConn()), 0, more...)
		}
		opened = testkit.Play(p.New(testConn()), 0, find...)
		if !laterFirst {
			asked = testkit.Play(p.New(testConn()), 0, more...)
		}
		merged := new(testkit.Recorder)
		out := p.Stage(merged)
		for _, r := range []*testkit.Recorder{opened, asked} {
			for i := range r.Exchanges {
				out.Exchange(&r.Exchanges[i])
			}
		}
		got := merged.JSON()
		if !strings.Contains(got, `"pitot.call_site.inherited":"true"`) {
			t.Errorf("told %s", got)
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("decoded in another order\n got %s\nwant %s", got, want)
		}
	}
}
