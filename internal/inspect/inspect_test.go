package inspect

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tap"
)

const (
	ms    = 1_000_000
	start = 1_700_000_000_000 * ms
)

var (
	client = netip.MustParseAddrPort("10.0.0.1:50000")
	server = netip.MustParseAddrPort("10.0.0.2:80")
)

type clock struct{ packet uint64 }

func (c *clock) Packet() uint64 { return c.packet }
func (c *clock) First() int64   { return start }

// show runs script against an Inspector and is what it wrote.
func show(t *testing.T, o Options, script func(in *Inspector, k *clock)) string {
	t.Helper()
	var out strings.Builder
	k := &clock{packet: 1}
	in := New(&out, o)
	in.SetClock(k)
	script(in, k)
	if _, _, err := in.Finish(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func watch(in *Inspector, stream int64, mid bool) tap.Watcher {
	return in.Watch(decode.Conn{Client: client, Server: server, Stream: stream, MidStream: mid})
}

func said(d event.Dir, at, offset, size int64, text string) *decode.Message {
	return &decode.Message{Dir: d, At: start + at*ms, Offset: offset, Size: size, Protocol: "http1", Kind: "request", Text: text}
}

func exchange(from, to int64, path string, flags event.DecodeFlags) *event.Exchange {
	return &event.Exchange{
		Client: client, Server: server, Start: start + from*ms, End: start + to*ms, Name: "GET " + path, Protocol: event.HTTP11, Decode: flags,
		HTTP: &event.HTTP{Path: path, StatusCode: 200},
	}
}

// small is two exchanges, the second of which has lost bytes.
func small(in *Inspector, k *clock) {
	w := watch(in, 0, false)
	w.Feed(event.ToServer, 0, []byte("GET / HTTP/1.1\r\n\r\n"))
	w.Message(said(event.ToServer, 0, 0, 18, "GET / HTTP/1.1"))
	w.Message(said(event.ToClient, 5, 0, 40, "200 \x1b[31mOK"))
	in.Exchange(exchange(0, 5, "/", 0))
	w.Message(said(event.ToServer, 10, 18, 30, "GET /long"))
	k.packet = 7
	w.Gap(event.ToClient, start+12*ms, 100, 1448, false)
	m := said(event.ToClient, 13, 40, 2000, "")
	m.Flags = event.ResponseGap
	w.Message(m)
	in.Exchange(exchange(10, 13, "/long", event.ResponseGap))
	w.Close(start+20*ms, false)
}

func TestTable(t *testing.T) {
	want := `
    0.000000    0 →         0      18 http1 request      GET / HTTP/1.1
    0.005000    0 ←         0      40 http1 request      200 .[31mOK
    0.010000    0 →        18      30 http1 request      GET /long
    0.012000    0 ←       100    1448 gap                not in the capture
    0.013000    0 ←        40    2000 http1 request       [response_gap]
`
	if got := "\n" + show(t, Options{}, small); got != want {
		t.Errorf("got%swant%s", got, want)
	}
}

func TestExplain(t *testing.T) {
	f, err := filter.Parse(`path:/long`)
	if err != nil {
		t.Fatal(err)
	}
	want := `
    0.010000    0 →        18      30 http1 request      GET /long
    0.013000    0 ←        40    2000 http1 request       [response_gap]
    0.010000    0 = http/1.1: GET /long, 200, 3ms [response_gap]
    response_gap: bytes of the answer are missing: 1448 bytes to_client at byte 100 not in the capture (0.012000 s, packet 7)
`
	if got := "\n" + show(t, Options{Explain: true, Filter: f}, small); got != want {
		t.Errorf("got%swant%s", got, want)
	}
}

func TestHex(t *testing.T) {
	got := show(t, Options{Hex: true}, small)
	if !strings.Contains(got, "    00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n    00000010  0d 0a ") {
		t.Errorf("got\n%s", got)
	}
}

func TestLinesFitTheTerminal(t *testing.T) {
	for _, width := range []int{80, 200} {
		got := show(t, Options{Width: width, Explain: true}, func(in *Inspector, k *clock) {
			small(in, k)
			w := watch(in, 0, false)
			w.Message(said(event.ToServer, 30, 48, 30, strings.Repeat("long ", 100)))
		})
		for line := range strings.Lines(got) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("%d cells on a terminal of %d: %s", n, width, line)
			}
		}
		if !strings.Contains(strings.Join(strings.Fields(got), " "), "not in the capture (0.012000 s, packet 7)") {
			t.Errorf("at %d cells the reason is cut:\n%s", width, got)
		}
	}
}

func TestAbsoluteTimesAndOneStream(t *testing.T) {
	got := show(t, Options{Absolute: true, Streams: []int64{1}}, func(in *Inspector, k *clock) {
		if watch(in, 0, false) != nil {
			t.Error("stream 0 is watched")
		}
		watch(in, 1, false).Message(said(event.ToServer, 5, 0, 18, "x"))
	})
	if !strings.HasPrefix(got, "2023-11-14T22:13:20.005000000Z    1 →") {
		t.Errorf("got %s", got)
	}
}

// Of streams of HTTP/2 only the exchange's own are shown, with those of the
// whole connection; messages may come after their exchange.
func TestMessagesOfAStream(t *testing.T) {
	f, err := filter.Parse("path:/b")
	if err != nil {
		t.Fatal(err)
	}
	got := show(t, Options{Filter: f}, func(in *Inspector, _ *clock) {
		w := watch(in, 0, false)
		for i, id := range []uint32{0, 1, 3, 5} {
			m := said(event.ToServer, int64(i), 0, 9, fmt.Sprint("stream ", id))
			m.Stream = id
			w.Message(m)
		}
		x := exchange(0, 5, "/b", 0)
		x.HTTP2 = &event.H2{StreamID: 3}
		in.Exchange(x)
		m := said(event.ToClient, 5, 0, 9, "late")
		m.Stream = 3
		w.Message(m)
	})
	if strings.Contains(got, "stream 1") || strings.Contains(got, "stream 5") || strings.Count(got, "\n") != 3 || !strings.Contains(got, "late") {
		t.Errorf("got\n%s", got)
	}
}

func TestWhatWaitsIsBounded(t *testing.T) {
	f, err := filter.Parse("path:/late")
	if err != nil {
		t.Fatal(err)
	}
	in := New(new(strings.Builder), Options{Filter: f})
	in.SetClock(&clock{})
	closed, open := watch(in, 0, false), watch(in, 1, false)
	for i := range int64(maxPending) {
		closed.Message(said(event.ToServer, i, 0, 1, "closed"))
	}
	closed.Close(start, false)
	for i := range int64(maxOver) {
		watch(in, i+2, false).Close(start, false)
	}
	for i := range int64(maxPending + 100) {
		open.Message(said(event.ToServer, i, 0, 1, "open"))
	}
	x := exchange(0, 2*maxPending, "/late", 0)
	x.Stream = 1
	in.Exchange(x)
	if shown, forgot, err := in.Finish(); shown != maxPending || forgot != 100 || err != nil {
		t.Errorf("shown %d, forgot %d, %v", shown, forgot, err)
	}
}

// What was open until the end is told after it.
func TestAnExchangeAfterItsConnection(t *testing.T) {
	got := show(t, Options{Explain: true}, func(in *Inspector, _ *clock) {
		watch(in, 0, false).Close(start, true)
		in.Exchange(exchange(0, 5, "/", 0))
	})
	if !strings.Contains(got, "GET /") {
		t.Errorf("got %q", got)
	}
}

// Every flag has a reason in words, whatever is known of the connection.
func TestEveryFlagHasAReason(t *testing.T) {
	for _, mid := range []bool{false, true} {
		show(t, Options{}, func(in *Inspector, k *clock) {
			w := watch(in, 0, mid).(*conn)
			in.Notice(&event.Notice{Time: start, Name: event.EventDecodeFailure, Body: "http1: lost", Attributes: []event.KeyValue{{Key: "tcp_stream", Value: "0"}}})
			for range 2 {
				x := exchange(0, 50, "/", ^event.DecodeFlags(0))
				n := 0
				for _, r := range w.explain(x) {
					n++
					if len(r.Why) < 20 || strings.Contains(r.Why, "%!") {
						t.Errorf("%s: %q", r.Flag, r.Why)
					}
				}
				if n < 13 {
					t.Errorf("%d reasons", n)
				}
				for i := range int64(300) {
					w.Gap(event.Dir(i&1), start+i*ms, i, i&7, i%3 == 0)
				}
			}
		})
	}
}

// A decoder may have taken the sides the other way round.
func TestGapsOfAConnectionTakenTheWrongWayRound(t *testing.T) {
	show(t, Options{}, func(in *Inspector, _ *clock) {
		w := watch(in, 0, true).(*conn)
		w.Gap(event.ToServer, start+ms, 5, 9, false)
		x := exchange(0, 50, "/", event.ResponseGap)
		x.Client, x.Server = server, client
		if why := w.explain(x)[0].Why; !strings.Contains(why, "9 bytes to_server at byte 5") {
			t.Errorf("got %q", why)
		}
	})
}

func TestJSON(t *testing.T) {
	got := show(t, Options{JSON: true, Explain: true, Hex: true}, func(in *Inspector, k *clock) {
		small(in, k)
		w := watch(in, 3, false)
		in.Notice(&event.Notice{Time: start, Name: "pitot.event.x", Attributes: []event.KeyValue{{Key: "tcp_stream", Value: "3"}}})
		w.Close(start, true)
		in.Notice(&event.Notice{Time: start, Name: "pitot.event.of_nobody"})
	})
	kinds := ""
	for line := range strings.Lines(got) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		kinds += " " + v["kind"].(string)
	}
	if want := " message message explanation message gap message explanation event"; kinds != want {
		t.Errorf("got%s, want%s", kinds, want)
	}
	if want := `{"kind":"gap","time":"2023-11-14T22:13:20.012Z","tcp_stream":0,"direction":"to_client","offset":100,"size":1448,"packet":7,"snapped":false}`; !strings.Contains(got, want) {
		t.Errorf("got\n%s", got)
	}
}
