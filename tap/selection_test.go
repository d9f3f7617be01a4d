package tap

import (
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// sent is an HTTP/1 exchange of 100 bytes each way, with its place in both
// directions.
func sent(from, to int64, seq uint32, path string) *event.Exchange {
	return &event.Exchange{
		Protocol: event.HTTP11, Start: from, End: to, RequestSeq: seq, ResponseSeq: seq + 50_000, RequestBytes: 100, ResponseBytes: 100,
		HTTP: &event.HTTP{Path: path, StatusCode: 200},
	}
}

func wanted(x *event.Exchange) bool { return x.HTTP != nil && x.HTTP.Path == "/yes" }

// taken are the times of whole packets of a connection that a Selection takes;
// each exchange is 10 bytes of request at its start.
func taken(s *Selection, times ...int64) (out []int64) {
	s.settle()
	for _, at := range times {
		if c := s.conns[0]; c != nil && c.takes(at, event.ToServer, 0, 0, false) {
			out = append(out, at)
		}
	}
	return out
}

func equal(t *testing.T, what string, got []int64, want ...int64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: took %v, want %v", what, got, want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: took %v, want %v", what, got, want)
			return
		}
	}
}

func TestASelectionTakesTheBeginningAndWhatFits(t *testing.T) {
	s := NewSelection(wanted)
	for i, path := range []string{"/first", "/no", "/yes", "/no"} {
		s.Exchange(sent(int64(i)*100+10, int64(i)*100+50, uint32(i)*100+1, path))
	}
	equal(t, "in a row", taken(s, 1, 30, 60, 130, 210, 230, 250, 260, 330), 1, 30, 210, 230, 250)
}

func TestWhatOverlapsIsTakenToo(t *testing.T) {
	s := NewSelection(wanted)
	s.Exchange(sent(10, 50, 1, "/first"))
	s.Exchange(sent(100, 200, 101, "/no"))
	s.Exchange(sent(150, 300, 201, "/yes"))
	s.Exchange(sent(300, 400, 301, "/no"))
	s.Exchange(sent(500, 600, 401, "/no"))
	equal(t, "pipelined", taken(s, 70, 110, 190, 290, 390, 450, 550), 110, 190, 290, 390)
}

func TestNothingFits(t *testing.T) {
	s := NewSelection(wanted)
	s.Exchange(sent(10, 50, 1, "/no"))
	equal(t, "nothing", taken(s, 1, 20, 60))
	if s.conns[0].takes(20, event.ToServer, 1, 10, true) {
		t.Error("a SYN of a connection that nobody chose is taken")
	}
}

func TestBytesSentAgainAreTaken(t *testing.T) {
	s := NewSelection(wanted)
	s.Exchange(sent(10, 50, 4_294_967_200, "/first"))
	s.Exchange(sent(100, 150, 4, "/no")) // numbers wrap
	s.Exchange(sent(200, 250, 104, "/yes"))
	c := s.conns[0]
	for _, k := range []struct {
		d    event.Dir
		seq  uint32
		n    int
		want bool
	}{
		{event.ToServer, 104, 10, true}, {event.ToServer, 103, 1, false}, {event.ToServer, 103, 2, true}, {event.ToServer, 204, 9, false},
		{event.ToServer, 4_294_967_200, 1, true}, {event.ToClient, 50_104, 100, true}, {event.ToClient, 104, 10, false},
	} {
		if got := c.takes(400, k.d, k.seq, k.n, false); got != k.want {
			t.Errorf("%v %d+%d: %t", k.d, k.seq, k.n, got)
		}
	}
	if c.takes(400+seqSlack, event.ToServer, 104, 10, false) {
		t.Error("an hour later the number means something else")
	}
}

// What hangs on what came before is taken from the connection's beginning.
func TestAConnectionWithAMemory(t *testing.T) {
	s := NewSelection(wanted)
	for i, path := range []string{"/first", "/yes", "/no"} {
		x := sent(int64(i)*100e6+10, int64(i)*100e6+50, uint32(i)*100+1, path)
		x.Protocol, x.HTTP2 = event.HTTP2, &event.H2{}
		s.Exchange(x)
	}
	equal(t, "in a row", taken(s, 1, 60e6, 100e6+40, 150e6, 200e6+20), 1, 60e6, 100e6+40)
	x := sent(5, 300e6, 1, "/long")
	x.Protocol, x.HTTP2 = event.HTTP2, &event.H2{}
	s.Exchange(x)
	equal(t, "with a long one", taken(s, 1, 150e6, 300e6, 400e6), 1, 150e6, 300e6)
}

func TestAnUpgradedConnection(t *testing.T) {
	s := NewSelection(wanted)
	shake := sent(10, 50, 1, "/first")
	shake.HTTP.Upgrade = "connect"
	s.Exchange(shake)
	s.Exchange(sent(100, 150, 101, "/no"))
	s.Exchange(sent(200, 250, 201, "/yes"))
	equal(t, "in a tunnel", taken(s, 1, 70, 130, 180, 240), 1, 70, 130, 180, 240)
}

func TestTheOpenerOfACursor(t *testing.T) {
	command := func(stream, from int64, op string) *event.Exchange {
		return &event.Exchange{Protocol: event.MongoDB, Stream: stream, Start: from, End: from + 50, Mongo: &event.Mongo{Operation: op, Cursor: 7}}
	}
	s := NewSelection(func(x *event.Exchange) bool { return x.Mongo.Operation == "getMore" })
	hello := command(0, 10, "hello")
	hello.Mongo.Cursor = 0
	s.Exchange(hello)
	s.Exchange(command(0, 100, "find"))
	s.Exchange(command(1, 200, "getMore"))
	equal(t, "a cursor's", taken(s, 20, 70, 120, 170), 20, 120)
}

// Too far apart, the second part could not be believed.
func TestAHoleThatIsTooLarge(t *testing.T) {
	s := NewSelection(wanted)
	s.Exchange(sent(10, 50, 1, "/first"))
	s.Exchange(sent(100, 150, 101, "/no"))
	s.Exchange(sent(200, 250, 20<<20, "/yes"))
	equal(t, "far apart", taken(s, 1, 120, 180, 220, 300), 1, 120, 180, 220)
}

func TestWithoutAChoiceConnectionsAreTakenWhole(t *testing.T) {
	s := NewSelection(nil)
	opaque := sent(10, 50, 1, "")
	opaque.Protocol, opaque.Stream = event.TCP, 1
	s.Exchange(sent(10, 50, 1, "/no"))
	s.Exchange(opaque)
	equal(t, "whole", taken(s, 1, 1e12), 1, 1e12)
	if s.conns[1].takes(20, event.ToServer, 1, 10, true) {
		t.Error("a connection that nobody understood is taken")
	}
}

// What is kept of exchanges that nobody chose is bounded, and what was chosen
// is never forgotten.
func TestASelectionIsBounded(t *testing.T) {
	s := NewSelection(wanted)
	for i := range int64(10_000) {
		path := "/no"
		if i%1000 == 500 {
			path = "/yes"
		}
		s.Exchange(sent(i*100, i*100+50, uint32(i)*100+1, path))
	}
	c := s.conns[0]
	if len(c.windows) > 10+maxWindows+1 {
		t.Errorf("%d windows", len(c.windows))
	}
	for i := range int64(10) {
		at := (i*1000 + 500) * 100
		equal(t, "one of many", taken(s, at-20, at+20, at+70), at+20)
	}
}
