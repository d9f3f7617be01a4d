package mongo

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/pitot-io/pitot/internal/testkit"
)

const parentText = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// Every command is asked and answered alone; want is what is told of it.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		name  string
		ask   string
		reply d
		want  string
	}{
		{"insert with a list beside it",
			msg(7, 0, 0, d{e("insert", "orders"), e("ordered", true), e("$db", "shop")}, docs("documents", d{e("a", 1)}, d{e("b", 2)})),
			d{e("n", 2), e("ok", 1.0)},
			"insert orders unset db=shop q={insert: ?, ordered: ?, documents: ?} affected=2 batch=2"},
		{"insert with documents inside",
			msg(7, 0, 0, d{e("insert", "orders"), e("documents", a{d{e("secret", 1)}}), e("$db", "shop")}),
			d{e("n", 1), e("ok", 1.0)},
			"insert orders unset db=shop q={insert: ?, documents: ?} affected=1 batch=1"},
		{"update, statements of two shapes",
			msg(7, 0, 0, d{e("update", "orders"), e("$db", "shop")}, docs("updates",
				d{e("q", d{e("_id", 1)}), e("u", d{e("$set", d{e("items.3.price", 9)})})},
				d{e("q", d{e("_id", 2)}), e("u", d{e("$set", d{e("items.4.price", 9)})})},
				d{e("q", d{}), e("u", d{e("$inc", d{e("n", 1)})})})),
			d{e("n", 3), e("nModified", 3), e("ok", 1.0)},
			"update orders unset db=shop q={update: ?, updates: [{q: {_id: ?}, u: {$set: {items.?.price: ?}}}, {q: {}, u: {$inc: {n: ?}}}]} class=pk affected=3 batch=3"},
		{"delete with a comment in its filter",
			msg(7, 0, 0, d{e("delete", "orders"), e("$db", "shop")}, docs("deletes", d{e("q", d{e("_id", d{e("$in", a{1, 2})}), e("$comment", "job.go:3")}), e("limit", 0)})),
			d{e("n", 2), e("ok", 1.0)},
			"delete orders unset db=shop q={delete: ?, deletes: [{q: {_id: {$in: ?}}, limit: ?}]} class=multi affected=2 batch=1 site=job.go:3"},
		{"aggregate: comment of $match, counted beside the command's own",
			msg(7, 0, 0, d{e("aggregate", "orders"), e("pipeline", a{d{e("$match", d{e("_id", 3), e("$comment", "second")})}, d{e("$limit", 1)}}), e("cursor", d{}), e("comment", "first"), e("$db", "shop")}),
			batch(0, "firstBatch", 1),
			"aggregate orders unset db=shop q={aggregate: ?, pipeline: [{$match: {_id: ?}}, {$limit: ?}], cursor: {}} class=pk rows=1 site=first other=1"},
		{"aggregate about a database",
			msg(7, 0, 0, d{e("aggregate", 1), e("pipeline", a{d{e("$currentOp", d{})}}), e("$db", "admin")}),
			batch(0, "firstBatch", 0),
			"aggregate unset db=admin q={aggregate: ?, pipeline: [{$currentOp: {}}]} class=scatter rows=0"},
		{"bulkWrite",
			msg(7, 0, 0, d{e("bulkWrite", 1), e("$db", "admin")}, docs("ops", d{e("insert", 0)}, d{e("delete", 0)}), docs("nsInfo", d{e("ns", "shop.orders.old")})),
			d{e("cursor", d{e("id", int64(0)), e("firstBatch", a{}), e("ns", "admin.$cmd.bulkWrite")}), e("ok", 1.0)},
			"bulkWrite orders.old unset db=shop q={bulkWrite: ?, ops: [{insert: ?}, {delete: ?}], nsInfo: [{ns: ?}]} batch=2"},
		{"count",
			msg(7, 0, 0, d{e("count", "orders"), e("query", d{e("_id", d{e("$eq", 1)})}), e("$db", "shop")}),
			d{e("n", 41), e("ok", 1.0)},
			"count orders unset db=shop q={count: ?, query: {_id: {$eq: ?}}} class=pk rows=1"},
		{"distinct",
			msg(7, 0, 0, d{e("distinct", "orders"), e("key", "city"), e("$db", "shop")}),
			d{e("values", a{"a", "b", "c"}), e("ok", 1.0)},
			"distinct orders unset db=shop q={distinct: ?, key: ?} class=scatter rows=3"},
		{"explain names what it explains",
			msg(7, 0, 0, d{e("explain", d{e("find", "orders")}), e("$db", "shop")}), ok1,
			"explain orders unset db=shop q={explain: {find: ?}}"},
		{"a namespace as the first value",
			msg(7, 0, 0, d{e("shardCollection", "shop.orders"), e("key", d{e("_id", 1)}), e("$db", "admin")}), ok1,
			"shardCollection orders unset db=admin q={shardCollection: ?, key: {_id: ?}}"},
		{"a command that nobody knows",
			msg(7, 0, 0, d{e("frobnicate", "x"), e("$db", "shop")}), ok1,
			"frobnicate unset db=shop q={frobnicate: ?}"},
		{"session and transaction",
			msg(7, 0, 0, d{e("commitTransaction", 1), e("lsid", d{e("id", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")})}), e("txnNumber", int64(5)), e("autocommit", false), e("$db", "admin")}), ok1,
			"commitTransaction unset db=admin q={commitTransaction: ?} txn=5 session=30313233343536373839616263646566 step=commit"},
		{"failure",
			msg(7, 0, 0, d{e("find", "orders"), e("$db", "shop")}),
			d{e("ok", 0.0), e("errmsg", "no such user bob"), e("code", 59), e("codeName", "CommandNotFound")},
			"find orders error db=shop q={find: ?} class=scatter code=59 error=59 message=CommandNotFound"},
		{"failure without a code",
			msg(7, 0, 0, d{e("find", "orders"), e("$db", "shop")}), d{e("ok", 0), e("errmsg", "bob")},
			"find orders error db=shop q={find: ?} class=scatter error=_OTHER message=command failed"},
		{"write error",
			msg(7, 0, 0, d{e("insert", "orders"), e("$db", "shop")}, docs("documents", d{})),
			d{e("n", 0), e("writeErrors", a{d{e("index", 0), e("code", 11000), e("errmsg", "dup key: bob")}}), e("ok", 1.0)},
			"insert orders error db=shop q={insert: ?, documents: ?} affected=0 batch=1 code=11000 error=11000 message=DuplicateKey failed=1"},
		{"write concern error",
			msg(7, 0, 0, d{e("insert", "orders"), e("$db", "shop")}, docs("documents", d{})),
			d{e("n", 1), e("ok", 1.0), e("writeConcernError", d{e("code", 64), e("codeName", "WriteConcernTimeout")})},
			"insert orders error db=shop q={insert: ?, documents: ?} affected=1 batch=1 code=64 error=64 message=WriteConcernTimeout"},
		{"trace in the comment",
			msg(7, 0, 0, d{e("find", "orders"), e("comment", d{e("traceparent", parentText)}), e("$db", "shop")}), batch(0, "firstBatch", 0),
			"find orders unset db=shop q={find: ?} class=scatter rows=0 trace=0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331"},
		{"trace beside the command comes first",
			msg(7, 0, 0, d{e("find", "orders"), e("comment", d{e("traceparent", strings.Replace(parentText, "0af", "1af", 1))}), e("$db", "shop")},
				"\x03"+marshal(d{e("otel", d{e("traceparent", parentText)})})), batch(0, "firstBatch", 0),
			"find orders unset db=shop q={find: ?} class=scatter rows=0 trace=0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331"},
		{"a section that nobody knows",
			msg(7, 0, 0, d{e("ping", 1), e("$db", "shop")}, "\x09abcdef"), ok1,
			"ping unset db=shop q={ping: ?} +body_cut"},
		{"sections in the other order, a security token, a checksum that does not fit",
			wire(7, 0, opMsg, le32(flagChecksum)+docs("documents", d{}, d{}, d{})+"\x02"+marshal(d{})+"\x00"+marshal(d{e("insert", "orders"), e("$db", "shop")})+"\x00\x01\x02\x03"), d{e("n", 3), e("ok", 1.0)},
			"insert orders unset db=shop q={insert: ?, documents: ?} affected=3 batch=3 +bad_checksum"},
		{"a secret command tells nothing",
			msg(7, 0, 0, d{e("saslStart", 1), e("payload", "pencil"), e("comment", "who.go:1"), e("$db", "admin")}), ok1,
			"saslStart unset db=admin +redacted"},
		{"a handshake that carries a secret",
			msg(7, 0, 0, d{e("hello", 1), e("client", d{e("application", d{e("name", "shop")}), e("driver", d{e("name", "go"), e("version", "2.9")})}), e("speculativeAuthenticate", d{e("saslStart", 1)}), e("$db", "admin")}), ok1,
			"hello unset db=admin app=shop driver=go 2.9 +redacted"},
		{"keys that need quotes, or are data",
			msg(7, 0, 0, d{e("find", "c"), e("filter", d{e("a b\n\"", 1), e("m.64f1c0ffee12345678901234", 1), e("2024", 1), e("é", 1)}), e("$db", "d")}), batch(0, "firstBatch", 0),
			`find c unset db=d q={find: ?, filter: {"a b?\"": ?, m.?: ?, ?: ?, é: ?}} class=scatter rows=0`},
		{"$and keeps its parts, neighbours of one shape once",
			msg(7, 0, 0, d{e("find", "c"), e("filter", d{e("$and", a{d{e("a", 1)}, d{e("a", 2)}, d{e("b", 3)}})}), e("$db", "d")}), batch(0, "firstBatch", 0),
			"find c unset db=d q={find: ?, filter: {$and: [{a: ?}, {b: ?}]}} class=scatter rows=0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, c.want, testkit.C(c.ask), testkit.S(msg(1, 7, 0, c.reply)))
		})
	}
}

// What a query holds must not be found in what is told.
func TestNoLiteralIsTold(t *testing.T) {
	const secret = "hunter2"
	ask := d{e("find", "c"), e("filter", d{e("a", secret), e("b", a{secret, d{e("c", secret)}}), e("r", bson.Regex{Pattern: secret})}),
		e("sort", d{e("a", secret)}), e("let", d{e("x", secret)}), e("$db", "d")}
	r := play(t, testkit.C(msg(7, 0, 0, ask)), testkit.S(msg(1, 7, 0, d{e("ok", 0), e("code", 2), e("codeName", "BadValue"), e("errmsg", secret), e("keyValue", d{e("a", secret)})})))
	if got := r.JSON(); strings.Contains(got, secret) || !strings.Contains(got, "BadValue") {
		t.Errorf("told %s", got)
	}
}

func TestShapeIsBounded(t *testing.T) {
	filter := d{}
	for range 1000 {
		filter = append(filter, e(strings.Repeat("k", 50), 1))
	}
	r := testkit.Play(fresh(), 0, testkit.C(msg(7, 0, 0, d{e("find", "c"), e("filter", filter), e("$db", "d")})), testkit.S(msg(1, 7, 0, ok1)))
	if q := r.Exchanges[0].Mongo.Query; len(q) > 4096 || !strings.HasSuffix(q, ellipsis) {
		t.Errorf("%d bytes, ends %q", len(q), q[len(q)-10:])
	}
}

func TestShapeHashTellsCommandsApart(t *testing.T) {
	shapes := map[uint64]string{}
	for _, ask := range []d{
		{e("find", "c"), e("filter", d{e("a", 1)}), e("$db", "d")},
		{e("find", "c"), e("filter", d{e("b", 1)}), e("$db", "d")},
		{e("find", "c2"), e("filter", d{e("a", 1)}), e("$db", "d")},
		{e("find", "c"), e("filter", d{e("a", 1)}), e("$db", "d2")},
		{e("count", "c"), e("filter", d{e("a", 1)}), e("$db", "d")},
	} {
		x := play(t, testkit.C(msg(7, 0, 0, ask)), testkit.S(msg(1, 7, 0, ok1))).Exchanges[0]
		if other, ok := shapes[x.Mongo.Shape]; ok {
			t.Errorf("%s and %s have one hash", other, tell(&x))
		}
		shapes[x.Mongo.Shape] = tell(&x)
	}
	one := play(t, testkit.C(msg(7, 0, 0, d{e("find", "c"), e("filter", d{e("a", "x")}), e("comment", "y"), e("$db", "d")})), testkit.S(msg(1, 7, 0, ok1)))
	if _, ok := shapes[one.Exchanges[0].Mongo.Shape]; !ok {
		t.Error("a literal or a comment changes the hash")
	}
}
