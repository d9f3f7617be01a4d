package websocket

import (
	"fmt"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// lossy plays frames of the server with the bytes [from, to) missing; unknown
// says that nobody knows how many.
func lossy(frames string, from, to int, unknown bool) *testkit.Recorder {
	d, r := session(), new(testkit.Recorder)
	feed := func(b string) {
		if err := d.Feed(event.ToClient, 2000*ms, []byte(b), r); err != nil {
			r.Notice(&event.Notice{Body: err.Error()})
		}
	}
	feed(frames[:from])
	n := int64(to - from)
	if unknown {
		n = 0
	}
	d.Gap(event.ToClient, 2000*ms, n, r)
	feed(frames[to:])
	d.End(event.ToClient, 3000*ms, r)
	d.Close(3000*ms, r)
	return r
}

func TestGaps(t *testing.T) {
	frames := s(opText, "0123456789") + s(opText, "abcd") + s(opClose, code(1001, "gone")) // 12 + 6 + 8 bytes
	for _, k := range []struct {
		name     string
		from, to int
		unknown  bool
		want     string
		lost     bool
	}{
		{"inside a payload", 5, 9, false, `frames 0/3 messages 0/2 payload 0/14 bytes 0/26 closed by server 1001 "gone" response_gap`, false},
		{"to the end of a payload", 5, 12, false, `frames 0/3 messages 0/2 payload 0/14 bytes 0/26 closed by server 1001 "gone" response_gap`, false},
		{"inside the reason", 23, 24, false, `frames 0/3 messages 0/2 payload 0/14 bytes 0/26 closed by server 1001 "g" response_gap`, false},
		{"the code", 20, 26, false, `frames 0/3 messages 0/2 payload 0/14 bytes 0/26 closed by server 0 "" response_gap`, false},
		{"over the end of a frame", 5, 14, false, `frames 0/1 messages 0/1 payload 0/10 bytes 0/26 response_gap`, true},
		{"between two frames", 12, 18, false, `frames 0/1 messages 0/1 payload 0/10 bytes 0/26 response_gap`, true},
		{"inside a header", 13, 14, false, `frames 0/1 messages 0/1 payload 0/10 bytes 0/26 response_gap`, true},
		{"of unknown length", 5, 9, true, `frames 0/1 messages 0/1 payload 0/3 bytes 0/22 response_gap`, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			r := lossy(frames, k.from, k.to, k.unknown)
			if len(r.Exchanges) != 1 || (len(r.Notices) == 1) != k.lost {
				t.Fatalf("told %s", r.JSON())
			}
			if got := summary(&r.Exchanges[0]); got != k.want {
				t.Errorf("got  %s\nwant %s", got, k.want)
			}
		})
	}
}

func TestAGapAfterTheEndOrTheLoss(t *testing.T) {
	r := lossy(s(opText, "0123456789")+s(opText, "abcd"), 11, 14, false)
	d := session()
	d.Gap(event.ToServer, 1, 4, r)
	d.Gap(event.ToServer, 2, 6, r)
	d.Close(3, r)
	d.Gap(event.ToServer, 4, 9, r)
	d.Close(5, r)
	if len(r.Exchanges) != 2 || r.Exchanges[1].RequestBytes != 10 || len(r.Notices) != 2 {
		t.Errorf("told %s", r.JSON())
	}
}

// A session that ends anywhere is told, with every whole frame counted.
func TestTruncation(t *testing.T) {
	frames := s(opText, "0123456789") + s(opPing, "abcd") + s(opClose, code(1001, "gone"))
	for n := range len(frames) {
		r := testkit.Play(session(), 0, testkit.S(frames[:n]))
		want := int64(0)
		for _, end := range []int{12, 18, 26} {
			if n >= end {
				want++
			}
		}
		x := &r.Exchanges[0]
		cut := n != 0 && n != 12 && n != 18
		if len(r.Exchanges) != 1 || x.WebSocket.ServerFrames != want || (x.Decode&event.BodyCut != 0) != cut || x.ResponseBytes != int64(n) {
			t.Errorf("%d bytes: told %s", n, x.AppendJSON(nil))
		}
	}
}

// FuzzFeed holds that any bytes in any pieces, with any part of them missing,
// end, and that what is not missing tells the same however it is cut.
func FuzzFeed(f *testing.F) {
	for _, k := range sessions {
		var sent [2][]byte
		for _, p := range k.pieces {
			sent[p.Dir] = append(sent[p.Dir], p.Bytes...)
		}
		if len(sent[0])+len(sent[1]) < 4096 {
			f.Add(sent[0], sent[1], 3, 0)
			f.Add(sent[0], sent[1], 7, 5)
		}
	}
	f.Fuzz(func(t *testing.T, ask, answer []byte, chunk, gap int) {
		play := func(chunk int) *testkit.Recorder {
			c := testConn()
			c.Keep.Body = 50
			return testkit.Play(Take(c, upgraded()), chunk, testkit.C(string(ask)), testkit.S(string(answer)))
		}
		whole := play(0)
		check(t, whole, int64(len(ask)), int64(len(answer)))
		cut := play(1 + abs(chunk)%64)
		if got, want := cut.JSON(), whole.JSON(); got != want {
			t.Fatalf("in pieces\n%s\nwhole\n%s", got, want)
		}
		if got, want := kept(cut), kept(whole); got != want {
			t.Fatalf("kept in pieces\n%s\nwhole\n%s", got, want)
		}
		from := abs(gap) % (len(answer) + 1)
		check(t, lossy(string(answer), from, min(len(answer), from+1+abs(chunk)%9), chunk < 0), 0, int64(len(answer)))
	})
}

// kept are the messages of a session, without their times.
func kept(r *testkit.Recorder) (all string) {
	for _, m := range r.Exchanges[0].WebSocket.Messages {
		all += fmt.Sprintln(m.Dir, m.Binary, m.Cut, m.Data)
	}
	return all
}

func check(t *testing.T, r *testkit.Recorder, ask, answer int64) {
	t.Helper()
	if len(r.Exchanges) != 1 || len(r.Notices) > 4 {
		t.Fatalf("told %s", r.JSON())
	}
	x, w := &r.Exchanges[0], r.Exchanges[0].WebSocket
	if x.RequestBytes > ask || x.ResponseBytes > answer || w.ClientPayload > ask || w.ServerPayload > answer || x.End < x.Start ||
		w.ClientMessages > w.ClientFrames || w.ServerMessages > w.ServerFrames || len(w.CloseReason) > 3*mostControl {
		t.Fatalf("told %s", x.AppendJSON(nil))
	}
}

func abs(n int) int { return max(n, -(n + 1)) }

type discard struct{}

func (discard) Exchange(*event.Exchange) {}
func (discard) Notice(*event.Notice)     {}

var talk = [2][]byte{
	[]byte(c(opText, "a message of some forty bytes, as chats have") + c(opPing, "0123")),
	[]byte(s(opPong, "0123") + raw(opBinary, false, "first half") + s(opContinuation, "second half")),
}

func feedTalk(t testing.TB, d decode.Decoder, at int64) {
	for dir, b := range talk {
		if err := d.Feed(event.Dir(dir), at, b, discard{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoAllocationPerFrame(t *testing.T) {
	d, at := session(), int64(0)
	if n := testing.AllocsPerRun(100, func() { at++; feedTalk(t, d, at) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkFrames measures five frames, a ping and its pong among them.
func BenchmarkFrames(b *testing.B) {
	d, at := session(), int64(0)
	b.ReportAllocs()
	b.SetBytes(int64(len(talk[0]) + len(talk[1])))
	for b.Loop() {
		at++
		feedTalk(b, d, at)
	}
}
