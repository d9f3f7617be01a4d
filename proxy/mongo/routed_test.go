package mongo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
)

// ways are those of a Conn under test: home and servers of the names a, b and c,
// the one that the last digit of the hash says.
type ways struct {
	c     *Conn
	asked []Aim
	open  map[string]*Way
	got   map[string]*bytes.Buffer
	none  *Absence
}

var names = [...]string{"home", "a", "b", "c"}

func (w *ways) Way(a *Aim) (Taken, *Absence) {
	w.asked = append(w.asked, *a)
	if w.none != nil {
		return Taken{}, w.none
	}
	name := a.Place
	if name == "" {
		name = names[a.Hash%4]
	}
	if name == "home" {
		return Taken{Host: name, Why: "hash"}, nil
	}
	if w.open[name] == nil {
		b := new(bytes.Buffer)
		w.got[name] = b
		w.open[name] = w.c.NewWay(func(p []byte) error { b.Write(p); return nil })
	}
	return Taken{Way: w.open[name], Host: name, Why: "hash"}, nil
}

// routedConn is a Conn whose commands are routed as hash says.
func routedConn(g *Gate, hash ...config.HashPolicy) (*Conn, *side, *ways) {
	s, w := new(side), &ways{open: map[string]*Way{}, got: map[string]*bytes.Buffer{}}
	w.c = g.New(s, netip.MustParseAddr("10.0.0.1"), "main")
	w.c.Route(NewRouting(hash), w)
	return w.c, s, w
}

var byBoth = []config.HashPolicy{{Collection: true, Terminal: true}, {Session: true}}

// doc is a document of names and values.
func doc(fields ...any) []byte {
	b := make([]byte, 4)
	for i := 0; i < len(fields); i += 2 {
		key := fields[i].(string)
		switch v := fields[i+1].(type) {
		case string:
			b = appendText(b, key, v)
		case int:
			b = append(append(append(b, 0x12), key...), 0)
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		case bool:
			b = append(append(append(b, 0x08), key...), 0, 0)
			if v {
				b[len(b)-1] = 1
			}
		case []byte:
			b = append(append(append(append(b, 0x03), key...), 0), v...)
		case []string:
			list := make([]byte, 4)
			for i, s := range v {
				list = appendText(list, fmt.Sprint(i), s)
			}
			b = append(append(append(append(b, 0x04), key...), 0), finish(append(list, 0))...)
		}
	}
	return finish(append(b, 0))
}

// session is an lsid whose id is made of one letter.
func session(letter byte) []byte {
	b := append(make([]byte, 4), 0x05, 'i', 'd', 0, 16, 0, 0, 0, 4)
	return finish(append(append(b, bytes.Repeat([]byte{letter}, 16)...), 0))
}

// message is an OP_MSG.
func message(id, to int32, fields ...any) []byte {
	b := header(to, opMsg)
	binary.LittleEndian.PutUint32(b[4:], uint32(id))
	return finish(append(append(b, 0, 0, 0, 0, 0), doc(fields...)...))
}

func find(id int32, collection string, more ...any) []byte {
	return message(id, 0, append([]any{"find", collection, "$db", "shop"}, more...)...)
}

// of is the server of a collection.
func of(collection string) string { return names[xxhash.Sum64String("shop."+collection)%4] }

// at is a collection of each server.
func at(server string) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("c", i); of(name) == server {
			return name
		}
	}
}

func TestRequestsGoTheirWayHoweverTheyCome(t *testing.T) {
	one, two, three, four := find(1, at("a")), find(2, at("home")), find(3, at("b")), find(4, at("a"))
	all := join(one, two, three, four, message(5, 0, "ping", 1, "$db", "admin"), message(6, 0, "listCollections", 1, "$db", "shop"))
	for cut := range all {
		c, s, w := routedConn(NewGate(mongo.Options{}), byBoth...)
		pass(t, c, event.ToServer, all, cut)
		if got := w.got["a"].String(); got != string(join(one, four)) {
			t.Fatalf("cut at %d: a got %q", cut, got)
		}
		if got := w.got["b"].String(); got != string(three) || w.got["c"] != nil {
			t.Fatalf("cut at %d: b got %q", cut, got)
		}
		if got := s.got(event.ToServer); got != string(join(two, all[len(all)-len(message(5, 0, "ping", 1, "$db", "admin"))-len(message(6, 0, "listCollections", 1, "$db", "shop")):])) {
			t.Fatalf("cut at %d: home got %q", cut, got)
		}
		if s.shown[event.ToServer].String() != string(all) {
			t.Fatalf("cut at %d: shown %q", cut, s.shown[event.ToServer].String())
		}
		c.Close()
	}
}

// An answer never stands within another one, whoever gives it.
func TestAnswersOfSeveralServersAreWhole(t *testing.T) {
	one, two := said(8, 1, 0, "a long answer of a"), said(9, 2, 0, "an answer of home")
	for cut := range one {
		c, s, w := routedConn(NewGate(mongo.Options{}), byBoth...)
		pass(t, c, event.ToServer, join(find(1, at("a")), find(2, at("home"))), 0)
		a := w.open["a"]
		if err := a.Answer(1, one[:cut]); err != nil {
			t.Fatal(err)
		}
		home := make(chan error)
		go func() { home <- c.Pass(event.ToClient, 2, two) }()
		if cut < startLen { // a has not begun
			if err := <-home; err != nil {
				t.Fatal(err)
			}
		}
		if !a.Busy() {
			t.Fatalf("cut at %d: a has nothing to do", cut)
		}
		if err := a.Answer(3, one[cut:]); err != nil {
			t.Fatal(err)
		}
		want := join(two, one)
		if cut >= startLen {
			if err := <-home; err != nil {
				t.Fatal(err)
			}
			want = join(one, two)
		}
		if s.got(event.ToClient) != string(want) || s.shown[event.ToClient].String() != string(want) {
			t.Fatalf("cut at %d: the client got %q", cut, s.got(event.ToClient))
		}
		if a.Busy() || len(c.lots.all) != 0 || !a.End() {
			t.Fatalf("cut at %d: something is left", cut)
		}
		c.Close()
	}
}

func TestOurAnswersWaitForAnyServers(t *testing.T) {
	g := NewGate(mongo.Options{})
	g.Use([]Guard{refuse{"insert", late, nil}})
	server := said(8, 1, 0, "a long answer of a")
	for cut := startLen; cut < len(server); cut++ {
		c, s, w := routedConn(g, byBoth...)
		pass(t, c, event.ToServer, find(1, at("a")), 0)
		if err := w.open["a"].Answer(1, server[:cut]); err != nil {
			t.Fatal(err)
		}
		pass(t, c, event.ToServer, request(2, "insert", "", 0), 0)
		if s.got(event.ToClient) != string(server[:cut]) {
			t.Fatalf("cut at %d: the client got %q", cut, s.got(event.ToClient))
		}
		if err := w.open["a"].Answer(1, server[cut:]); err != nil {
			t.Fatal(err)
		}
		if got := s.got(event.ToClient); !strings.HasPrefix(got, string(server)) || !strings.Contains(got[len(server):], "late") {
			t.Fatalf("cut at %d: the client got %q", cut, got)
		}
		c.Close()
	}
}

// told is how a command is told whose answer the decoder has seen.
func told(c *Conn, id int32, change func(*event.Mongo)) *event.Exchange {
	x := &event.Exchange{Endpoint: "home", End: time.Now().UnixNano(), Mongo: &event.Mongo{RequestID: id, Replies: 1}}
	if change != nil {
		change(x.Mongo)
	}
	c.Label(x)
	return x
}

// A cursor is where it was opened, for all connections of the listener.
func TestCursorsAreKnownToAllConnections(t *testing.T) {
	g := NewGate(mongo.Options{})
	first, _, _ := routedConn(g, byBoth...)
	pass(t, first, event.ToServer, find(1, at("a")), 0)
	if x := told(first, 1, func(m *event.Mongo) { m.Operation, m.Cursor = "find", 77 }); x.Endpoint != "a" || x.Picked != "hash" {
		t.Errorf("told at %q, picked by %q", x.Endpoint, x.Picked)
	}
	second, s, w := routedConn(g, byBoth...)
	more := message(1, 0, "getMore", 77, "collection", at("b"), "$db", "shop")
	pass(t, second, event.ToServer, more, 0)
	if w.got["a"] == nil || w.got["a"].String() != string(more) {
		t.Fatalf("a got nothing; home got %q", s.got(event.ToServer))
	}
	if x := told(second, 1, func(m *event.Mongo) { m.Operation, m.Cursor, m.CursorDone = "getMore", 77, true }); x.Endpoint != "a" || x.Picked != whyCursor {
		t.Errorf("told at %q, picked by %q", x.Endpoint, x.Picked)
	}
	pass(t, second, event.ToServer, more, 0) // the cursor is no more: by the hash
	if w.got["b"] == nil || w.got["b"].String() != string(more) {
		t.Error("b got nothing")
	}
}

// A transaction goes by its session, and stays where it is.
func TestTransactionsGoBySession(t *testing.T) {
	g := NewGate(mongo.Options{})
	txn := []any{"lsid", session('x'), "txnNumber", 4, "autocommit", false}
	c, _, w := routedConn(g, byBoth...)
	pass(t, c, event.ToServer, find(1, at("a"), append(txn, "startTransaction", true)...), 0)
	host := names[xxhash.Sum64String(strings.Repeat("78", 16))%4]
	if x := told(c, 1, nil); x.Endpoint != host || x.Picked != whyTransaction {
		t.Fatalf("told at %q, picked by %q; want %s", x.Endpoint, x.Picked, host)
	}
	other, _, w2 := routedConn(g, byBoth...)
	pass(t, other, event.ToServer, find(2, at("b"), txn...), 0)
	pass(t, other, event.ToServer, message(3, 0, append([]any{"commitTransaction", 1, "$db", "admin"}, txn...)...), 0)
	for _, a := range w2.asked {
		if a.Place != host || a.Hash != w.asked[0].Hash {
			t.Errorf("aims at %+v, want %s", a, host)
		}
	}
	if len(w2.asked) != 2 {
		t.Errorf("aims at %+v", w2.asked)
	}
	pass(t, other, event.ToServer, find(5, at("c"), "lsid", session('x'), "txnNumber", 5), 0) // a write that may be tried again is none
	if x := told(other, 5, nil); x.Endpoint != "c" {
		t.Errorf("without a transaction it is told at %q", x.Endpoint)
	}
}

func TestHashes(t *testing.T) {
	for _, tt := range []struct {
		hash    []config.HashPolicy
		command []byte
		want    uint64
	}{
		{hashOfAll("c"), find(1, "x"), xxhash.Sum64String("shop.x")},
		{hashOfAll("s"), find(1, "x", "lsid", session('x')), xxhash.Sum64String(strings.Repeat("78", 16))},
		{hashOfAll("cs"), find(1, "x", "lsid", session('x')), xxhash.Sum64String("shop.x")<<1 ^ xxhash.Sum64String("shop.x")>>63 ^ xxhash.Sum64String(strings.Repeat("78", 16))},
		{hashOfAll("s"), find(1, "x"), 0},
		{hashOfAll("ca"), message(1, 0, "aggregate", 1, "$db", "shop"), xxhash.Sum64String("10.0.0.1")},
		{byBoth, find(1, "x", "lsid", session('x')), xxhash.Sum64String("shop.x")},
		{byBoth, message(1, 0, "aggregate", 1, "$db", "shop", "lsid", session('x')), xxhash.Sum64String(strings.Repeat("78", 16))},
	} {
		c, _, w := routedConn(NewGate(mongo.Options{}), tt.hash...)
		pass(t, c, event.ToServer, tt.command, 0)
		switch x := told(c, 1, nil); {
		case tt.want == 0 && (x.Picked != whyNoHash || len(w.asked) > 0):
			t.Errorf("picked by %q, aims %v", x.Picked, w.asked)
		case tt.want != 0 && (len(w.asked) != 1 || w.asked[0].Hash != tt.want):
			t.Errorf("aims %v, want %x", w.asked, tt.want)
		}
	}
	if NewRouting(hashOfAll("a")) != nil || NewRouting(nil) != nil {
		t.Error("whole connections are routed")
	}
}

func hashOfAll(letters string) (all []config.HashPolicy) {
	for _, l := range letters {
		all = append(all, config.HashPolicy{Collection: l == 'c', Session: l == 's', Source: l == 'a'})
	}
	return all
}

// welcomeOf is a server's answer to a hello.
func welcomeOf(to int32, more ...any) []byte {
	return message(100+to, to, append([]any{"isWritablePrimary", true, "maxWireVersion", 21, "logicalSessionTimeoutMinutes", 30, "maxBsonObjectSize", 1000, "compression", []string{"zstd", "zlib"}, "ok", 1}, more...)...)
}

// Commands stay home until the home has greeted, and once the client
// authenticates.
func TestWhatStaysHome(t *testing.T) {
	away := find(9, at("a"))
	hi := message(1, 0, "hello", 1, "$db", "admin")
	for name, tt := range map[string]struct {
		before [][]byte // of the client
		answer []byte   // of the home
		why    string
	}{
		"not greeted":          {nil, nil, "hash"},
		"greeted":              {[][]byte{hi}, welcomeOf(1), "hash"},
		"no answer yet":        {[][]byte{hi}, nil, whyNotGreeted},
		"refused":              {[][]byte{hi}, message(2, 1, "ok", 0), whyNotGreeted},
		"no answer at all":     {[][]byte{hi}, said(2, 1, 0, "x")[:len(said(2, 1, 0, "x"))-1], whyNotGreeted},
		"authenticates":        {[][]byte{hi, message(2, 0, "saslStart", 1, "mechanism", "SCRAM-SHA-256")}, welcomeOf(1), whyAuthenticated},
		"authenticates early":  {[][]byte{message(1, 0, "hello", 1, "speculativeAuthenticate", doc("saslStart", 1))}, welcomeOf(1), whyAuthenticated},
		"authenticates by key": {[][]byte{hi, message(2, 0, "authenticate", 1)}, welcomeOf(1), whyAuthenticated},
		"monitor":              {[][]byte{hi, message(2, 0, "hello", 1, "topologyVersion", doc(), "maxAwaitTimeMS", 10)}, welcomeOf(1), whyHome},
		"compressed greeting":  {[][]byte{message(1, 0, "hello", 1, "text", strings.Repeat("x", mostHello))}, welcomeOf(1), whyNotGreeted},
	} {
		t.Run(name, func(t *testing.T) {
			c, s, w := routedConn(NewGate(mongo.Options{}), byBoth...)
			pass(t, c, event.ToServer, join(tt.before...), 0)
			if err := c.Pass(event.ToClient, 2, tt.answer); err != nil {
				t.Fatal(err)
			}
			pass(t, c, event.ToServer, away, 0)
			if x := told(c, 9, nil); x.Picked != tt.why {
				t.Errorf("picked by %q, want %q", x.Picked, tt.why)
			}
			if home := strings.HasSuffix(s.got(event.ToServer), string(away)); home == (tt.why == "hash") || home == (w.got["a"] != nil) {
				t.Errorf("home got it: %v", home)
			}
		})
	}
}

// peer is a connection to a server that gives an answer.
type peer struct {
	io.Reader
	bytes.Buffer
}

func (p *peer) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func TestFurtherServersAreGreeted(t *testing.T) {
	hi := message(1, 0, "hello", 1, "helloOk", true, "client", doc("driver", doc("name", "x")), "topologyVersion", doc(), "$db", "admin")
	old := header(0, opQuery)
	binary.LittleEndian.PutUint32(old[4:], 1)
	old = append(append(append(old, 4, 0, 0, 0), "admin.$cmd\x00"...), 0, 0, 0, 0, 255, 255, 255, 255)
	at := len(old)
	for name, m := range map[string][]byte{"OP_MSG": hi, "OP_QUERY": finish(append(slices.Clone(old), doc("isMaster", 1, "speculativeAuthenticate", doc("a", 1), "maxAwaitTimeMS", 5)...))} {
		h := readHello(m)
		want := message(1, 0, "hello", 1, "helloOk", true, "client", doc("driver", doc("name", "x")), "$db", "admin")
		if name == "OP_QUERY" {
			want = finish(append(slices.Clone(old[:at]), doc("isMaster", 1)...))
		}
		if !bytes.Equal(h.again, want) || !h.watches || h.authenticates != (name == "OP_QUERY") {
			t.Errorf("%s: %+v, want %q", name, h, want)
		}
	}
	greeting := message(1, 0, "hello", 1, "$db", "admin")
	for want, answer := range map[string][]byte{
		"":                              welcomeOf(1),
		"it takes no writes":            welcomeOf(1)[:0],
		"it refuses the greeting":       message(2, 1, "ok", 0, "maxWireVersion", 21),
		"mongos":                        welcomeOf(1, "msg", "isdbgrid"),
		"it speaks wire versions 22":    welcomeOf(1, "minWireVersion", 22, "maxWireVersion", 30),
		"and not 21":                    welcomeOf(1, "maxWireVersion", 20),
		"it has no sessions":            welcomeOf(1, "logicalSessionTimeoutMinutes", 0),
		"it takes less at once":         welcomeOf(1, "maxBsonObjectSize", 999),
		"it has no compressor \"zlib\"": welcomeOf(1, "compression", []string{"zstd", "zlibx"}),
		"EOF":                           welcomeOf(1)[:50],
		"no message of at most":         []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"is none":                       said(1, 2, 0, "x")[:20],
	} {
		switch want {
		case "it takes no writes":
			answer = message(2, 1, "isWritablePrimary", false, "maxWireVersion", 21, "logicalSessionTimeoutMinutes", 30, "maxBsonObjectSize", 1000, "ok", 1)
		case "is none":
			answer = finish(append(header(1, opMsg), 0, 0, 0, 0, 1))
		}
		c, _, _ := routedConn(NewGate(mongo.Options{}), byBoth...)
		pass(t, c, event.ToServer, greeting, 0)
		pass(t, c, event.ToClient, welcomeOf(1), 0)
		p := &peer{Reader: bytes.NewReader(answer)}
		sent, _, err := c.Greet(p)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
		if p.String() != string(greeting) || sent != int64(len(greeting)) {
			t.Errorf("said %q", p.String())
		}
	}
}

// What no server can be had for is answered; the connection goes on.
func TestNobodyIsThere(t *testing.T) {
	for _, tt := range []struct {
		command []byte
		labels  string
	}{
		{find(1, "x"), ""},
		{find(1, "x", "lsid", session('x'), "txnNumber", 5), `,"errorLabels":["RetryableWriteError","NoWritesPerformed"]`},
		{find(1, "x", "lsid", session('x'), "txnNumber", 5, "autocommit", false), `,"errorLabels":["TransientTransactionError"]`},
		{message(1, 0, "commitTransaction", 1, "lsid", session('x'), "txnNumber", 5, "autocommit", false), `,"errorLabels":["RetryableWriteError"]`},
	} {
		c, s, w := routedConn(NewGate(mongo.Options{}), byBoth...)
		w.none = &Absence{Message: "nobody", Flags: event.FlagUF}
		if err := c.Pass(event.ToServer, 1, tt.command); err != nil {
			t.Fatal(err)
		}
		b := s.wrote[event.ToClient].Bytes()
		if got := string(bson.AppendJSON(nil, bson.Element{Type: bson.Document, Value: b[21:]}, 1000)); got != `{"ok":0,"errmsg":"nobody","code":6,"codeName":"HostUnreachable"`+tt.labels+`}` || s.got(event.ToServer) != "" {
			t.Errorf("the answer is %s", got)
		}
		c.Close()
	}
	c, s, w := routedConn(NewGate(mongo.Options{}), byBoth...)
	w.none = &Absence{Flags: event.FlagUH}
	quiet := request(1, "find", "", 2)
	var x *event.Exchange
	s.seen = func() { x = told(c, 1, nil) }
	pass(t, c, event.ToServer, quiet, 0)
	if x.Flags != event.FlagUH || x.Endpoint != "" || x.Status != event.Error || x.ErrorType != "UH" || s.got(event.ToClient) != "" {
		t.Errorf("told as %+v", x)
	}
}

// A way that has ended is found anew; where a server's answers are no messages,
// the connection ends.
func TestWaysEnd(t *testing.T) {
	c, s, w := routedConn(NewGate(mongo.Options{}), byBoth...)
	pass(t, c, event.ToServer, find(1, at("a")), 0)
	a := w.open["a"]
	if a.Retire() || !a.Busy() {
		t.Error("a command was lost")
	}
	if err := a.Answer(1, said(8, 1, 0, "x")); err != nil || !a.Retire() {
		t.Errorf("%v, busy %v", err, a.Busy())
	}
	w.open["a"] = nil
	pass(t, c, event.ToServer, find(2, at("a")), 0)
	if a = w.open["a"]; a == nil || w.got["a"].String() != string(find(2, at("a"))) {
		t.Fatal("a got nothing")
	}
	if err := a.Answer(1, []byte("HTTP/1.1 400 Bad Request\r\n\r\n")); err == nil || !s.aborted {
		t.Errorf("%v, aborted %v", err, s.aborted)
	}
	if a.End() {
		t.Error("a command was lost")
	}
}

func TestPlacesAreBounded(t *testing.T) {
	var p places
	for i := range uint64(mostPlaces + 10) {
		p.keep(i, "a", 1)
		if p.find(5, 1) == "" && i > 5 {
			t.Fatal("what is used is forgotten")
		}
	}
	if len(p.all) != mostPlaces || p.find(1, 1) != "" {
		t.Errorf("%d places", len(p.all))
	}
	late := 2 + int64(placeFor)
	if p.find(mostPlaces, late) != "" {
		t.Error("a place that nobody has used for long is known")
	}
	if p.keep(1, "b", late); len(p.all) != 1 || p.find(1, late) != "b" {
		t.Errorf("%d places are left", len(p.all))
	}
	if p.forget(1); len(p.all) != 0 || p.find(1, late) != "" {
		t.Error("it is not forgotten")
	}
}

// A wait for the client ends with the connection.
func TestWhoWaitsToAnswerEnds(t *testing.T) {
	c, s, w := routedConn(NewGate(mongo.Options{}), byBoth...)
	pass(t, c, event.ToServer, join(find(1, at("a")), find(2, at("b"))), 0)
	end := s.until()
	if err := w.open["a"].Answer(1, said(8, 1, 0, "x")[:30]); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- w.open["b"].Answer(1, said(9, 2, 0, "y")) }()
	end()
	select {
	case err := <-over:
		if err == nil {
			t.Error("it was written")
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits on")
	}
}

// Greetings and answers may be anything.
func FuzzGreet(f *testing.F) {
	f.Add(message(1, 0, "hello", 1, "client", doc("a", "b"), "speculativeAuthenticate", doc(), "$db", "admin"), welcomeOf(1))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 200"))
	f.Fuzz(func(t *testing.T, b, answer []byte) {
		if h := readHello(b); h.again != nil {
			again := readHello(h.again)
			if !bytes.Equal(again.again, h.again) || again.watches || again.authenticates {
				t.Errorf("%q is said again as %q, and that as %q", b, h.again, again.again)
			}
		}
		if w, ok := readWelcome(answer); ok && w.ok && w.lacks(&w) != "" {
			t.Errorf("%+v lacks something of itself: %s", w, w.lacks(&w))
		}
		_, _ = readAnswer(bytes.NewReader(answer))
	})
}
