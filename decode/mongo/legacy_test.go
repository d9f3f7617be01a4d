package mongo

import (
	"testing"

	"github.com/pitot-io/pitot/internal/testkit"
)

func query(id int, ns string, flags, limit int, doc d) string {
	return wire(id, 0, opQuery, le32(flags)+ns+"\x00"+le32(0)+le32(limit)+marshal(doc))
}

func opReplyMsg(id, to, flags int, cursor int64, docs ...d) string {
	body := le32(flags) + le64(cursor) + le32(0) + le32(len(docs))
	for _, x := range docs {
		body += marshal(x)
	}
	return wire(id, to, opReply, body)
}

func TestLegacyQuery(t *testing.T) {
	for _, c := range []struct{ name, ask, reply, want string }{
		{"find", query(7, "shop.orders", 0, 5, d{e("a", 1)}), opReplyMsg(1, 7, 0, 0, d{}, d{}),
			"find orders unset db=shop q={filter: {a: ?}} class=scatter rows=2 limit=5"},
		{"wrapped, with both comments", query(7, "shop.orders", 0, 0, d{e("$query", d{e("_id", 1), e("$comment", "in.go:1")}), e("$comment", "beside.go:2"), e("$orderby", d{e("x", 1)})}), opReplyMsg(1, 7, 0, 0),
			"find orders unset db=shop q={filter: {_id: ?}} class=pk rows=0 site=in.go:1 other=1"},
		{"comment beside", query(7, "shop.orders", 0, 0, d{e("$query", d{}), e("$comment", `{"callingFunction":"Cart.load"}`)}), opReplyMsg(1, 7, 0, 0),
			"find orders unset db=shop q={filter: {}} class=scatter rows=0 site=Cart.load"},
		{"cursor not found", query(7, "shop.orders", 0, 0, d{}), opReplyMsg(1, 7, replyNotFound, 0),
			"find orders error db=shop q={filter: {}} class=scatter code=43 error=43 message=CursorNotFound"},
		{"query failed", query(7, "shop.orders", 0, 0, d{}), opReplyMsg(1, 7, replyFailed, 0, d{e("$err", "bob"), e("code", 17)}),
			"find orders error db=shop q={filter: {}} class=scatter code=17 error=17 message=ProtocolError"},
		{"command", query(7, "admin.$cmd", 0, -1, d{e("isMaster", 1), e("client", d{e("application", d{e("name", "shop")})})}), opReplyMsg(1, 7, 0, 0, ok1),
			"isMaster unset db=admin q={isMaster: ?, client: {application: {name: ?}}} app=shop"},
		{"wrapped command", query(7, "shop.$cmd", 0, -1, d{e("$query", d{e("count", "orders")}), e("$readPreference", d{})}), opReplyMsg(1, 7, 0, 0, d{e("n", 3), e("ok", 1)}),
			"count orders unset db=shop q={count: ?} class=scatter rows=1"},
		{"command that fails", query(7, "shop.$cmd", 0, -1, d{e("count", "orders")}), opReplyMsg(1, 7, 0, 0, d{e("ok", 0), e("code", 13)}),
			"count orders error db=shop q={count: ?} class=scatter code=13 error=13 message=Unauthorized"},
		{"secret command", query(7, "shop.$cmd", 0, -1, d{e("authenticate", 1), e("key", "x")}), opReplyMsg(1, 7, 0, 0, ok1),
			"authenticate unset db=shop +redacted"},
		{"pseudo command", query(7, "admin.$cmd.sys.inprog", 0, -1, d{}), opReplyMsg(1, 7, 0, 0, d{e("inprog", a{})}),
			"currentOp unset db=admin rows=1"},
		{"getMore", wire(7, 0, opGetMore, le32(0)+"shop.orders\x00"+le32(10)+le64(99)), opReplyMsg(1, 7, 0, 99, d{}),
			"getMore orders unset db=shop rows=1 limit=10 cursor=99"},
		{"OP_COMMAND, metadata first", wire(7, 0, opCommand, "shop\x00find\x00"+marshal(d{})+marshal(d{e("find", "orders")})), wire(1, 7, opCommandReply, marshal(d{})+marshal(batch(0, "firstBatch", 2))),
			"find orders unset db=shop q={find: ?} class=scatter rows=2"},
		{"OP_COMMAND, metadata last", wire(7, 0, opCommand, "shop\x00find\x00"+marshal(d{e("find", "orders")})+marshal(d{})), wire(1, 7, opCommandReply, marshal(batch(0, "firstBatch", 2))+marshal(d{})),
			"find orders unset db=shop q={find: ?} class=scatter rows=2"},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, c.want, testkit.C(c.ask), testkit.S(c.reply)) })
	}
}

func TestLegacyWrites(t *testing.T) {
	ns := le32(0) + "shop.orders\x00"
	check(t, `insert orders unset db=shop batch=2
update orders unset db=shop q={filter: {_id: ?}} class=pk
delete orders unset db=shop q={filter: {a: ?}} class=scatter
killCursors unset cursor=9 done=true
ping unset db=d q={ping: ?}`,
		testkit.C(wire(1, 0, opInsert, ns+marshal(d{e("x", 1)})+marshal(d{}))+
			wire(2, 0, opUpdate, ns+le32(1)+marshal(d{e("_id", 1)})+marshal(d{e("x", 1)}))+
			wire(3, 0, opDelete, ns+le32(1)+marshal(d{e("a", 1)}))+
			wire(4, 0, opKillCursors, le32(0)+le32(1)+le64(9))+ping(5)),
		testkit.S(msg(9, 5, 0, ok1)))
}

func TestLegacyCursor(t *testing.T) {
	p := Protocol(Options{})
	r := testkit.Play(joined(p, testConn()), 0,
		testkit.C(query(1, "shop.orders", 0, 0, d{e("$query", d{e("a", 1)}), e("$comment", "a.go:1")})), testkit.S(opReplyMsg(8, 1, 0, 99, d{})),
		testkit.C(wire(2, 0, opGetMore, le32(0)+"shop.orders\x00"+le32(10)+le64(99))), testkit.S(opReplyMsg(9, 2, 0, 0, d{}, d{})))
	want := "find orders unset db=shop q={filter: {a: ?}} class=scatter rows=1 cursor=99 site=a.go:1\n" +
		"getMore orders unset db=shop q={filter: {a: ?}} class=scatter rows=2 limit=10 cursor=99 done=true site=a.go:1 inherited=true"
	if got := tellAll(r); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestLegacyExhaust(t *testing.T) {
	check(t, "find orders unset db=shop q={filter: {}} class=scatter rows=3 cursor=99 done=true replies=2",
		testkit.C(query(1, "shop.orders", queryExhaust, 0, d{})),
		testkit.S(opReplyMsg(8, 1, 0, 99, d{})), testkit.S(opReplyMsg(9, 8, 0, 0, d{}, d{})))
}
