package mongo

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

func TestTransactions(t *testing.T) {
	lsid := e("lsid", d{})
	in := func(id int, op string, more ...bson.E) string {
		ask := append(d{e(op, "c"), lsid, e("txnNumber", int64(5))}, more...)
		return msg(id, 0, 0, append(ask, e("$db", "d")))
	}
	auto, begin := e("autocommit", false), e("startTransaction", true)
	steps := []string{in(1, "insert", begin, auto), in(2, "find", auto), in(3, "commitTransaction", auto), in(4, "abortTransaction", auto), in(5, "insert"), in(6, "update", e("autocommit", true))}
	r := play(t, testkit.C(strings.Join(steps, "")), testkit.S(msg(9, 1, 0, ok1)+msg(9, 2, 0, ok1)+msg(9, 3, 0, ok1)+msg(9, 4, 0, ok1)+msg(9, 5, 0, ok1)+msg(9, 6, 0, ok1)))
	var got []string
	for _, x := range r.Exchanges {
		word := x.Mongo.Transaction.String()
		if x.Mongo.Retryable {
			word += "retryable"
		}
		got = append(got, word)
	}
	if diff := cmp.Diff([]string{"start", "in", "commit", "abort", "retryable", "retryable"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestErrorLabels(t *testing.T) {
	check(t, "commitTransaction error db=d q={commitTransaction: ?} code=91 error=91 message=ShutdownInProgress step=commit labels=RetryableWriteError,UnknownTransactionCommitResult",
		testkit.C(msg(1, 0, 0, d{e("commitTransaction", 1), e("$db", "d")})),
		testkit.S(msg(9, 1, 0, d{e("errorLabels", a{"RetryableWriteError", "UnknownTransactionCommitResult"}), e("ok", 0), e("code", 91)})))
}

// A client's bulkWrite of MongoDB 8.0 writes to several collections and tells
// each statement's outcome in a cursor.
func TestBulkWrite(t *testing.T) {
	outcome := func(ok, n int) d {
		x := d{e("ok", ok), e("idx", n), e("n", 1)}
		if ok == 0 {
			x = append(x, e("code", 11000), e("errmsg", "dup key: bob"))
		}
		return x
	}
	reply := d{e("cursor", d{e("id", int64(0)), e("firstBatch", a{outcome(1, 0), outcome(0, 1)}), e("ns", "admin.$cmd.bulkWrite")}),
		e("nErrors", 1), e("nInserted", 1), e("nMatched", 2), e("nModified", 2), e("nUpserted", 0), e("nDeleted", 3), e("ok", 1.0)}
	ops := docs("ops", d{e("insert", 0), e("document", d{e("name", "bob")})}, d{e("update", 1), e("filter", d{e("_id", 1), e("$comment", "a.go:7")}), e("updateMods", d{e("$set", d{e("x", 1)})})})
	want := "q={bulkWrite: ?, ops: [{insert: ?, document: ?}, {update: ?, filter: {_id: ?}, updateMods: {$set: {x: ?}}}], nsInfo: [{ns: ?}]} affected=6 batch=2 code=11000 error=11000 message=DuplicateKey site=a.go:7 failed=1"
	for _, c := range []struct {
		spaces []any
		where  string
		more   string
	}{
		{[]any{d{e("ns", "shop.a")}}, "bulkWrite a error db=shop ", ""},
		{[]any{d{e("ns", "shop.a")}, d{e("ns", "shop.b.c")}}, "bulkWrite error db=shop ", " namespaces=2"},
		{[]any{d{e("ns", "shop.a")}, d{e("ns", "till.a")}}, "bulkWrite error db=admin ", " namespaces=2"},
	} {
		check(t, c.where+want+c.more, testkit.C(msg(7, 0, 0, d{e("bulkWrite", 1), e("$db", "admin")}, ops, docs("nsInfo", c.spaces...))), testkit.S(msg(1, 7, 0, reply)))
	}
	inside := msg(7, 0, 0, d{e("bulkWrite", 1), e("ops", a{d{e("insert", 0), e("document", d{e("name", "bob")})}}), e("nsInfo", a{d{e("ns", "shop.a")}}), e("$db", "admin")})
	check(t, "bulkWrite a unset db=shop q={bulkWrite: ?, ops: [{insert: ?, document: ?}], nsInfo: [{ns: ?}]} batch=1", testkit.C(inside), testkit.S(msg(1, 7, 0, ok1)))
}

// What a cursor waits for is not the server's doing: its getMores say so, also
// where another connection opened it.
func TestCursorsThatWait(t *testing.T) {
	for _, c := range []struct {
		name string
		open d
		want string
	}{
		{"change stream", d{e("aggregate", "c"), e("pipeline", a{d{e("$changeStream", d{})}}), e("$db", "d")}, "kind=change_stream await=true"},
		{"tailable", d{e("find", "c"), e("tailable", true), e("$db", "d")}, "kind=tailable"},
		{"tailable that waits", d{e("find", "c"), e("tailable", true), e("awaitData", true), e("$db", "d")}, "kind=tailable_await await=true"},
		{"plain", d{e("find", "c"), e("$db", "d")}, ""},
	} {
		p := Protocol(Options{})
		first := testkit.Play(joined(p, testConn()), 0, testkit.C(msg(1, 0, 0, c.open)), testkit.S(msg(9, 1, 0, batch(77, "firstBatch", 1))))
		kind, _, _ := strings.Cut(c.want, " await")
		if got := tell(&first.Exchanges[0]); !strings.HasSuffix(got, kind) || strings.Contains(got, "await=") {
			t.Errorf("%s, opening: %s", c.name, got)
		}
		more := msg(2, 0, 0, d{e("getMore", int64(77)), e("collection", "c"), e("$db", "d")})
		second := testkit.Play(joined(p, testConn()), 0, testkit.C(more), testkit.S(msg(9, 2, 0, batch(77, "nextBatch", 0))))
		if got := tell(&second.Exchanges[0]); !strings.HasSuffix(got, "cursor=77 "+c.want) && !strings.HasSuffix(got, "cursor=77"+c.want) {
			t.Errorf("%s: %s", c.name, got)
		}
		third := testkit.Play(joined(p, testConn()), 0, testkit.C(more))
		if x := &third.Exchanges[0]; (x.Status == event.Unset) != strings.Contains(c.want, "await") || x.Decode != event.NoResponse {
			t.Errorf("%s, left waiting: %s", c.name, tell(x))
		}
	}
}

// A getMore may have maxTimeMS only when its cursor waits.
func TestGetMoreWithAWaitOfItsOwn(t *testing.T) {
	check(t, "getMore c unset db=d q={getMore: ?, collection: ?} cursor=7 await=true +no_response",
		testkit.C(msg(2, 0, 0, d{e("getMore", int64(7)), e("collection", "c"), e("maxTimeMS", 500), e("$db", "d")})))
}

// A monitor asks for news and waits; that its connection ends meanwhile is how
// things go.
func TestHelloThatWaits(t *testing.T) {
	ask := d{e("hello", 1), e("topologyVersion", d{e("processId", 1)}), e("maxAwaitTimeMS", 10000), e("$db", "admin")}
	check(t, "hello unset db=admin q={hello: ?, topologyVersion: {processId: ?}, maxAwaitTimeMS: ?} await=true +no_response", testkit.C(msg(1, 0, 0, ask)))
	check(t, "hello error db=admin q={hello: ?} error=unanswered +no_response", testkit.C(msg(1, 0, 0, d{e("hello", 1), e("$db", "admin")})))
}

func TestChatter(t *testing.T) {
	for op, want := range map[string]bool{"hello": true, "ismaster": true, "ping": true, "endSessions": true, "replSetGetStatus": true, "find": false, "saslStart": false, "x": false} {
		r := play(t, testkit.C(msg(1, 0, 0, d{e(op, 1), e("$db", "d")})), testkit.S(msg(9, 1, 0, ok1)))
		if got := r.Exchanges[0].Mongo.Chatter; got != want {
			t.Errorf("%s: chatter %v", op, got)
		}
	}
}

func TestHandshakeIsToldOnce(t *testing.T) {
	client := d{e("application", d{e("name", "shop")}), e("driver", d{e("name", "go"), e("version", "2.9")}),
		e("os", d{e("type", "Linux"), e("name", "linux"), e("architecture", "x64"), e("version", "6.1")}), e("platform", "go1.26")}
	ask := d{e("hello", 1), e("client", client), e("compression", a{"zstd", "zlib"}),
		e("speculativeAuthenticate", d{e("saslStart", 1), e("mechanism", "SCRAM-SHA-256"), e("payload", "n,,n=bob,r=secret")}), e("$db", "admin")}
	answer := d{e("isWritablePrimary", true), e("setName", "rs0"), e("secondary", false), e("minWireVersion", 0), e("maxWireVersion", 25),
		e("compression", a{"zstd"}), e("connectionId", 42), e("ok", 1.0)}
	r := play(t, testkit.C(msg(1, 0, 0, ask)), testkit.S(msg(9, 1, 0, answer)),
		testkit.C(msg(2, 0, 0, d{e("hello", 1), e("$db", "admin")})), testkit.S(msg(9, 2, 0, answer)),
		testkit.C(msg(3, 0, 0, d{e("saslStart", 1), e("mechanism", "PLAIN"), e("payload", "secret"), e("$db", "admin")})), testkit.S(msg(9, 3, 0, ok1)),
		testkit.C(msg(4, 0, 0, d{e("find", "c"), e("mechanism", "x"), e("$db", "d")})), testkit.S(msg(9, 4, 0, ok1)))
	var got []*event.MongoHandshake
	for _, x := range r.Exchanges {
		got = append(got, x.Mongo.Handshake)
	}
	want := []*event.MongoHandshake{
		{OS: "Linux x64 6.1", Platform: "go1.26", Compressors: "zstd", Mechanism: "SCRAM-SHA-256", ReplicaSet: "rs0", Role: "primary", MaxWire: 25, ConnectionID: 42},
		nil, {Mechanism: "PLAIN"}, nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if line := r.JSON(); strings.Contains(line, "secret") || strings.Contains(line, "bob") || !strings.Contains(line, `"db.mongodb.server_connection_id":42`) {
		t.Errorf("told %s", line)
	}
}

func TestServerRoles(t *testing.T) {
	for want, answer := range map[string]d{
		"standalone": {e("ismaster", true)},
		"mongos":     {e("ismaster", true), e("msg", "isdbgrid")},
		"secondary":  {e("isWritablePrimary", false), e("secondary", true), e("setName", "rs0")},
		"arbiter":    {e("isWritablePrimary", false), e("arbiterOnly", true), e("setName", "rs0")},
		"other":      {e("isWritablePrimary", false), e("isreplicaset", true)},
		"":           {e("helloOk", true)},
	} {
		r := play(t, testkit.C(msg(1, 0, 0, d{e("hello", 1), e("$db", "d")})), testkit.S(msg(9, 1, 0, append(answer, e("ok", 1)))))
		if got := r.Exchanges[0].Mongo.Handshake.Role; got != want {
			t.Errorf("%v: %q, want %q", answer, got, want)
		}
	}
}

// summed is an OP_MSG with its checksum.
func summed(m string) string {
	b := []byte(m)
	binary.LittleEndian.PutUint32(b, uint32(len(b)+4))
	b[headerLen] |= flagChecksum
	return string(binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))))
}

func TestChecksum(t *testing.T) {
	ask, answer := summed(ping(1)), summed(msg(9, 1, 0, ok1))
	check(t, "ping unset db=d q={ping: ?}", testkit.C(ask), testkit.S(answer))
	for _, at := range []int{5, len(ask) - 1, len(ask) - 8} {
		bad := []byte(ask)
		bad[at] ^= 0x40
		r := play(t, testkit.C(string(bad)), testkit.S(answer))
		flagged := func(x event.Exchange) bool { return x.Decode&event.BadChecksum != 0 }
		if !slices.ContainsFunc(r.Exchanges, flagged) {
			t.Errorf("byte %d changed: %s", at, tellAll(r))
		}
	}
	large := summed(msg(7, 0, 0, d{e("insert", "c"), e("$db", "d")}, docs("documents", noise(400, 300)...)))
	for _, chunk := range []int{0, 1460} {
		r := testkit.Play(joined(Protocol(Options{}), testConn()), chunk, testkit.C(large), testkit.S(msg(1, 7, 0, ok1)))
		if r.Exchanges[0].Decode != 0 || r.Exchanges[0].Mongo.Batch != 400 {
			t.Errorf("what was cut down: %s", tellAll(r))
		}
	}
}

func TestEveryMessageIsInspected(t *testing.T) {
	ask := msg(7, 0, 0, d{e("insert", "orders"), e("$db", "shop")}, docs("documents", d{e("name", "hunter2")}, d{}))
	secret := msg(8, 0, 0, d{e("saslStart", 1), e("payload", "hunter2"), e("$db", "admin")})
	fail := msg(1, 7, 0, d{e("n", 0), e("ok", 0), e("code", 11000), e("errmsg", "hunter2")})
	var got []string
	c := testConn()
	at := [2]int64{}
	c.Inspect = func(m *decode.Message) {
		if m.Offset != at[m.Dir] {
			t.Errorf("%s at %d, want %d", m.Text, m.Offset, at[m.Dir])
		}
		at[m.Dir] += m.Size
		got = append(got, strings.Join([]string{m.Protocol, m.Kind, m.Dir.String(), m.Text}, " | "))
	}
	for _, chunk := range []int{0, 1, 13} {
		got, at = nil, [2]int64{}
		testkit.Play(joined(Protocol(Options{}), c), chunk, testkit.C(ask+secret), testkit.S(fail+packed(1, msg(2, 8, 0, batch(5, "firstBatch", 2)))+msg(3, 99, 0, ok1)))
		want := []string{
			"mongo | OP_MSG | to_server | insert shop.orders {insert: ?, documents: ?}; sections: command, documents (2)",
			"mongo | OP_MSG | to_server | saslStart admin, withheld; sections: command",
			"mongo | OP_MSG | to_client | to 7 (insert shop.orders): failed, 11000 DuplicateKey; sections: answer",
			"mongo | OP_MSG | to_client | to 8 (saslStart admin): ok, 2 returned, cursor 5; compressed by snappy; sections: answer",
			"mongo | OP_MSG | to_client | to 99, which was not seen: ok; sections: answer",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("chunks of %d: %s", chunk, diff)
		}
	}
}
