package mongo

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// side keeps what passes.
type side struct {
	shown, wrote [2]bytes.Buffer
	waited       time.Duration
	aborted      bool
	seen         func() // called as something is shown
	ctx          context.Context
	leaves       bool // the client goes while somebody waits
}

func (s *side) Await(f func(context.Context)) bool {
	f(context.Background())
	return !s.leaves
}

func (s *side) Show(d event.Dir, _ int64, b []byte) {
	if s.shown[d].Write(b); s.seen != nil {
		s.seen()
	}
}

// until has the connection be over.
func (s *side) until() (end func()) {
	s.ctx, end = context.WithCancel(context.Background())
	return end
}

func (s *side) Write(d event.Dir, b []byte) error { s.wrote[d].Write(b); return nil }
func (s *side) Wait(d time.Duration) bool         { s.waited += d; return d < time.Hour }
func (s *side) Context() context.Context {
	if s.ctx != nil {
		return s.ctx
	}
	return context.Background()
}
func (s *side) Abort()                 { s.aborted = true }
func (s *side) got(d event.Dir) string { return s.wrote[d].String() }

// refuse is a Guard that has something against a command of that name.
type refuse struct {
	name string
	how  *Refusal
	set  func(*Command)
}

func (r refuse) Admit(c *Command) *Refusal {
	if c.Operation != r.name {
		return nil
	}
	if r.set != nil {
		r.set(c)
	}
	return r.how
}

func conn(guards ...Guard) (*Conn, *side) {
	g, s := NewGate(mongo.Options{}), new(side)
	g.Use(guards)
	c := &Conn{}
	c = g.New(s, c.client, "main")
	return c, s
}

// request is a command in an OP_MSG; text makes it longer.
func request(id int32, name, text string, flags byte) []byte {
	b := header(0, opMsg)
	binary.LittleEndian.PutUint32(b[4:], uint32(id))
	b = append(b, flags, 0, 0, 0, 0)
	doc := appendText(make([]byte, 4), name, "carts")
	doc = appendText(appendText(doc, "$db", "shop"), "text", text)
	return finish(append(b, finish(append(doc, 0))...))
}

// said is an answer of the server.
func said(id, to int32, flags byte, text string) []byte {
	b := header(to, opMsg)
	binary.LittleEndian.PutUint32(b[4:], uint32(id))
	b = append(b, flags, 0, 0, 0, 0)
	return finish(append(b, finish(append(appendText(make([]byte, 4), "x", text), 0))...))
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// pass passes b in two pieces.
func pass(t *testing.T, c *Conn, d event.Dir, b []byte, cut int) {
	t.Helper()
	for _, part := range [][]byte{b[:cut], b[cut:]} {
		if err := c.Pass(d, 1, bytes.Clone(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.End(d, 2); err != nil {
		t.Fatal(err)
	}
}

var late = &Refusal{Code: 262, CodeName: "ExceededTimeLimit", Message: "late", Labels: []string{"a", "b"}, Flags: event.FlagFI}

func TestRequestsAreDecidedAboutHoweverTheyCome(t *testing.T) {
	one, two, three, quiet := request(1, "insert", "", 0), request(2, "find", "", 0), request(3, "insert", "xyz", 0), request(4, "find", "", 2)
	all := join(one, two, quiet, three)
	for cut := range all {
		c, s := conn(refuse{"find", late, nil})
		pass(t, c, event.ToServer, all, cut)
		if want := join(one, three); s.got(event.ToServer) != string(want) || s.shown[event.ToServer].String() != string(all) {
			t.Fatalf("cut at %d: the server got %q", cut, s.got(event.ToServer))
		}
		b := s.wrote[event.ToClient].Bytes()
		if len(b) < 21 || int(binary.LittleEndian.Uint32(b)) != len(b) || binary.LittleEndian.Uint32(b[8:]) != 2 || s.shown[event.ToClient].String() != string(b) {
			t.Fatalf("cut at %d: the client got %x", cut, b)
		}
		if got := string(bson.AppendJSON(nil, bson.Element{Type: bson.Document, Value: b[21:]}, 1000)); got != `{"ok":0,"errmsg":"late","code":262,"codeName":"ExceededTimeLimit","errorLabels":["a","b"]}` {
			t.Fatalf("cut at %d: the answer is %s", cut, got)
		}
		c.Close()
	}
}

func TestAnswersPassHoweverTheyCome(t *testing.T) {
	all := join(said(8, 1, 0, "a"), said(9, 2, 2, "chain"), said(10, 9, 0, "end"))
	for cut := range all {
		c, s := conn(refuse{"find", late, nil})
		pass(t, c, event.ToClient, all, cut)
		if s.got(event.ToClient) != string(all) || s.shown[event.ToClient].String() != string(all) {
			t.Fatalf("cut at %d: %q", cut, s.got(event.ToClient))
		}
		c.Close()
	}
}

// An answer of ours never stands within one of the server's.
func TestOurAnswersWaitForTheServers(t *testing.T) {
	server := said(8, 1, 0, "a long answer")
	for cut := range server {
		c, s := conn(refuse{"find", late, nil})
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		check(c.Pass(event.ToClient, 1, server[:cut]))
		check(c.Pass(event.ToServer, 2, request(2, "find", "", 0)))
		check(c.Pass(event.ToServer, 2, request(3, "find", "", 0)))
		check(c.Pass(event.ToClient, 3, server[cut:]))
		got := s.got(event.ToClient)
		if want := len(server) + 2*len(late.document("errmsg")) + 2*21; len(got) != want || bytes.Count([]byte(got), server) != 1 {
			t.Fatalf("cut at %d: %d bytes, want %d: %q", cut, len(got), want, got)
		}
		if len(c.lots.all) != 0 {
			t.Fatalf("cut at %d: %d lots are left", cut, len(c.lots.all))
		}
		c.Close()
	}
}

// What is longer than what is looked at is decided about all the same.
func TestLongRequests(t *testing.T) {
	for _, size := range []int{keep - 100, keep, 3 * keep} {
		long, short := request(1, "find", string(make([]byte, size)), 0), request(2, "insert", "", 0)
		for _, step := range []int{1000, keep - 1, keep, keep + 1, 10 * keep} {
			c, s := conn(refuse{"find", late, nil})
			all := join(long, short)
			for b := all; len(b) > 0; b = b[min(step, len(b)):] {
				if err := c.Pass(event.ToServer, 1, b[:min(step, len(b))]); err != nil {
					t.Fatal(err)
				}
			}
			if s.got(event.ToServer) != string(short) || s.shown[event.ToServer].Len() != len(all) || s.wrote[event.ToClient].Len() == 0 || cap(c.up.buf) > 2*keep {
				t.Errorf("%d in steps of %d: the server got %d bytes, the client %d, %d are kept", size, step, len(s.got(event.ToServer)), s.wrote[event.ToClient].Len(), cap(c.up.buf))
			}
			c.Close()
		}
	}
}

// What is no MongoDB passes untouched.
func TestWhatIsNoMessagePasses(t *testing.T) {
	for _, d := range []event.Dir{event.ToServer, event.ToClient} {
		for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "short", string(make([]byte, 100)), string(request(1, "find", "", 0)[:30])} {
			for cut := range text {
				c, s := conn(refuse{"find", late, nil})
				pass(t, c, d, []byte(text), cut)
				if s.got(d) != text {
					t.Fatalf("%q, cut at %d, gives %q", text, cut, s.got(d))
				}
				c.Close()
			}
		}
	}
}

func TestLegacyRequestsGetLegacyAnswers(t *testing.T) {
	query := func(ns, key string) []byte {
		b := header(0, opQuery)
		binary.LittleEndian.PutUint32(b[4:], 7)
		b = append(append(append(b, 0, 0, 0, 0), ns...), 0)
		b = append(b, 0, 0, 0, 0, 1, 0, 0, 0)
		return finish(append(b, finish(append(appendText(make([]byte, 4), key, "carts"), 0))...))
	}
	for _, tt := range []struct {
		ns, key, message string
		flags            byte
	}{{"shop.$cmd", "find", "errmsg", 0}, {"shop.carts", "a", "$err", queryFailure}} {
		c, s := conn(refuse{"find", late, nil})
		pass(t, c, event.ToServer, query(tt.ns, tt.key), 3)
		b := s.wrote[event.ToClient].Bytes()
		if len(b) < 36 || binary.LittleEndian.Uint32(b[12:]) != opReply || b[16] != tt.flags || b[32] != 1 || !bytes.Contains(b, []byte(tt.message)) || s.got(event.ToServer) != "" {
			t.Errorf("%s: %x", tt.ns, b)
		}
		c.Close()
	}
}

// pacer counts who has ended.
type pacer struct {
	n    int
	fail *route.Failure
	done int
}

func (p *pacer) Pace(_ context.Context, d event.Dir, n int) (int, *route.Failure) {
	if p.fail != nil && d == event.ToClient {
		return 0, p.fail
	}
	return min(p.n, n), nil
}
func (p *pacer) Done() { p.done++ }

// What was decided holds for all answers of a chain, and is over after it.
func TestALotEndsWithItsAnswer(t *testing.T) {
	p := &pacer{n: 7}
	c, s := conn(refuse{"find", nil, func(c *Command) { c.Pacer, c.Flags, c.Delay = p, event.FlagDI, time.Second }})
	pass(t, c, event.ToServer, request(5, "find", "", 0), 0)
	answers := [][]byte{said(20, 5, 2, "a"), said(21, 20, 2, "b"), said(22, 21, 0, "c")}
	for i, a := range answers {
		x := event.Exchange{Mongo: &event.Mongo{RequestID: 5}}
		if c.Label(&x); x.Flags != event.FlagDI || p.done != 0 {
			t.Errorf("before answer %d: flags %v, ended %d times", i, x.Flags, p.done)
		}
		pass(t, c, event.ToClient, a, 0)
	}
	if c.Close(); p.done != 1 || s.waited != time.Second || s.got(event.ToClient) != string(join(answers...)) {
		t.Errorf("ended %d times, waited %v, %q", p.done, s.waited, s.got(event.ToClient))
	}
}

func TestACutEndsTheConnection(t *testing.T) {
	p := &pacer{n: 7, fail: &route.Failure{Flags: event.FlagFI}}
	c, s := conn(refuse{"find", nil, func(c *Command) { c.Pacer = p }})
	pass(t, c, event.ToServer, request(5, "find", "", 0), 0)
	x := event.Exchange{Mongo: &event.Mongo{RequestID: 5}}
	if err := c.Pass(event.ToClient, 1, said(20, 5, 0, "a")); err == nil || !s.aborted {
		t.Errorf("%v, aborted %v", err, s.aborted)
	}
	if c.Label(&x); x.Flags != event.FlagFI || x.Status != event.Error {
		t.Errorf("told as %+v", x)
	}
	if c.Close(); p.done != 1 {
		t.Errorf("ended %d times", p.done)
	}
}

func TestWhoLeavesOrIsResetGetsNothing(t *testing.T) {
	for _, g := range []refuse{{"find", &Refusal{Reset: true}, nil}, {"find", late, func(c *Command) { c.Delay = time.Hour }}} {
		c, s := conn(g)
		all := request(1, "find", "", 0)
		if err := c.Pass(event.ToServer, 1, all); err == nil || s.aborted != g.how.Reset || s.wrote[event.ToClient].Len() > 0 || s.shown[event.ToServer].Len() != len(all) {
			t.Errorf("%v, %+v", err, s)
		}
		c.Close()
	}
}

// Without somebody who objects, bytes pass as they are, whatever they are; with
// somebody who objects to all, nothing breaks.
func FuzzPass(f *testing.F) {
	f.Add(join(request(1, "find", "", 0), request(2, "insert", "abc", 2)), said(8, 1, 0, "a"), uint16(7))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 200"), uint16(3))
	f.Fuzz(func(t *testing.T, up, down []byte, step uint16) {
		for _, name := range []string{"nothing of the kind", "find"} {
			c, s := conn(refuse{name, late, nil})
			for d, b := range map[event.Dir][]byte{event.ToServer: up, event.ToClient: down} {
				var err error
				for n := int(step) + 1; len(b) > 0 && err == nil; b = b[min(n, len(b)):] {
					err = c.Pass(d, 1, b[:min(n, len(b))])
				}
				if err == nil {
					err = c.End(d, 2)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if name != "find" && (s.got(event.ToServer) != string(up) || s.got(event.ToClient) != string(down)) {
				t.Fatalf("%x gives %x, %x gives %x", up, s.got(event.ToServer), down, s.got(event.ToClient))
			}
			if s.shown[event.ToServer].String() != string(up) {
				t.Fatalf("%x is shown as %x", up, s.shown[event.ToServer].Bytes())
			}
			c.Close()
		}
	})
}

func ExampleRateLimited() {
	fmt.Println(string(bson.AppendJSON(nil, bson.Element{Type: bson.Document, Value: RateLimited("too many").document("errmsg")}, 1000)))
	// Output: {"ok":0,"errmsg":"too many","code":462,"codeName":"IngressRequestRateLimitExceeded","errorLabels":["SystemOverloadedError","RetryableError","NoWritesPerformed"]}
}

// A guard that asks somebody is waited for before the next one is asked.
func TestAskedIsWaitedFor(t *testing.T) {
	over := RateLimited("too many")
	for _, c := range []struct {
		name           string
		says           *Refusal
		leaves, passes bool
	}{{"goes on", nil, false, true}, {"is refused", over, false, false}, {"has left", nil, true, false}} {
		var order []string
		asks := refuse{name: "find"}
		asks.set = func(cmd *Command) {
			cmd.Ask = func(context.Context) *Refusal {
				order = append(order, "asked about "+cmd.Collection)
				return c.says
			}
		}
		x, s := conn(asks, refuse{"find", nil, func(c *Command) {
			order = append(order, "next")
			if c.Ask != nil {
				t.Error("the next guard finds what the one before asks")
			}
		}})
		s.leaves = c.leaves
		b := request(7, "find", "", 0)
		err := x.Pass(event.ToServer, 1, b)
		if passed := s.got(event.ToServer) == string(b); passed != c.passes || (err == errOver) != c.leaves {
			t.Errorf("%s: passed on %v, %v", c.name, passed, err)
		}
		if answered := strings.Contains(s.got(event.ToClient), "too many"); answered != (c.says != nil) {
			t.Errorf("%s: answered %q", c.name, s.got(event.ToClient))
		}
		if s.shown[event.ToServer].String() != string(b) {
			t.Errorf("%s: nobody was shown the command", c.name)
		}
		want := []string{"asked about carts", "next"}
		if !c.passes {
			want = want[:1]
		}
		if !slices.Equal(order, want) {
			t.Errorf("%s: %q, want %q", c.name, order, want)
		}
		x.Close()
	}
}
