package decode_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// echo is a protocol whose requests begin "ask" and whose answers begin
// "tell"; its decoder writes down what it was told.
func echo() decode.Protocol {
	starts := func(d event.Dir, b []byte) decode.Verdict {
		word := []byte("ask")
		if d == event.ToClient {
			word = []byte("tell")
		}
		switch {
		case bytes.HasPrefix(b, word):
			return decode.Yes
		case bytes.HasPrefix(word, b):
			return decode.Maybe
		}
		return decode.No
	}
	return decode.Protocol{Name: "echo", Detect: starts, New: func(c decode.Conn) decode.Decoder { return &diary{conn: c} }}
}

type diary struct {
	conn decode.Conn
	text []byte
	log  string
}

func (d *diary) Feed(dir event.Dir, _ int64, b []byte, _ event.Emitter) error {
	if d.conn.Position != nil {
		d.log += fmt.Sprintf("@%d ", d.conn.Position(dir, 0))
	}
	d.log += fmt.Sprintf("%v:%s ", dir, b)
	return nil
}
func (d *diary) Gap(dir event.Dir, _ int64, n int64, _ event.Emitter) {
	d.log += fmt.Sprintf("%v-gap:%d ", dir, n)
}
func (d *diary) End(dir event.Dir, _ int64, _ event.Emitter) { d.log += fmt.Sprintf("%v-end ", dir) }
func (d *diary) Close(_ int64, emit event.Emitter) {
	emit.Notice(&event.Notice{Body: d.conn.Client.String() + " " + d.log})
}

func detector(mid bool) decode.Decoder {
	c := decode.Conn{Client: netip.MustParseAddrPort("1.1.1.1:1"), Server: netip.MustParseAddrPort("2.2.2.2:2"), MidStream: mid, Limits: decode.DefaultLimits()}
	return decode.NewDetector([]decode.Protocol{echo()}, c)
}

func TestDetectorHandsOver(t *testing.T) {
	for _, c := range []struct {
		why    string
		mid    bool
		pieces []testkit.Piece
		want   string // what the decoder saw; "tcp" for an opaque connection
	}{
		{"whole word", false, []testkit.Piece{testkit.C("ask me")}, "1.1.1.1:1 to_server:ask me to_server-end to_client-end "},
		{"word in pieces", false, []testkit.Piece{testkit.C("a"), testkit.C("sk")}, "1.1.1.1:1 to_server:a to_server:sk to_server-end to_client-end "},
		{"server speaks first", false, []testkit.Piece{testkit.S("tell"), testkit.C("x")}, "1.1.1.1:1 to_client:tell to_server:x to_server-end to_client-end "},
		{"something else", false, []testkit.Piece{testkit.C("SSH-2.0")}, "tcp"},
		{"too short to tell", false, []testkit.Piece{testkit.C("a")}, "tcp"},
		{"joined in the middle", true, []testkit.Piece{testkit.C("rest of a body"), testkit.C("ask")}, "1.1.1.1:1 to_server:rest of a body to_server:ask to_server-end to_client-end "},
		{"joined, sides mistaken", true, []testkit.Piece{testkit.C("tell me")}, "2.2.2.2:2 to_client:tell me to_client-end to_server-end "},
	} {
		r := testkit.Play(detector(c.mid), 0, c.pieces...)
		got := ""
		switch {
		case len(r.Notices) == 1:
			got = r.Notices[0].Body
		case len(r.Exchanges) == 1:
			got = r.Exchanges[0].Protocol.String()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.why, got, c.want)
		}
	}
}

func TestAGapBeforeDetection(t *testing.T) {
	var r testkit.Recorder
	d := detector(false)
	d.Gap(event.ToServer, 1, 7, &r)
	d.Gap(event.ToServer, 1, 3, &r)
	if err := d.Feed(event.ToServer, 2, []byte("ask"), &r); err != nil {
		t.Fatal(err)
	}
	d.Close(3, &r)
	if got, want := r.Notices[0].Body, "1.1.1.1:1 to_server-gap:10 to_server:ask "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPositionsSurviveTheWait(t *testing.T) {
	seq := uint32(0)
	c := decode.Conn{Limits: decode.DefaultLimits(), Position: func(event.Dir, int) uint32 { return seq }}
	d := decode.NewDetector([]decode.Protocol{echo()}, c)
	var r testkit.Recorder
	for i, text := range []string{"a", "sk", "!"} {
		seq = uint32(100 + i)
		if err := d.Feed(event.ToServer, int64(1+i), []byte(text), &r); err != nil {
			t.Fatal(err)
		}
	}
	d.Close(9, &r)
	if got, want := r.Notices[0].Body, "invalid AddrPort @100 to_server:a @101 to_server:sk @102 to_server:! "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What an undecided connection keeps is bounded, whatever it sends.
func TestDetectorMemoryIsBounded(t *testing.T) {
	c := decode.Conn{MidStream: true, Limits: decode.DefaultLimits()}
	d := decode.NewDetector([]decode.Protocol{echo()}, c)
	var r testkit.Recorder
	chunk := bytes.Repeat([]byte("z"), 1000)
	for i := range int64(1000) {
		if err := d.Feed(event.Dir(i&1), i, chunk, &r); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Feed(event.ToServer, 1001, []byte("ask"), &r); err != nil {
		t.Fatal(err)
	}
	d.Close(1002, &r)
	if n := len(r.Notices[0].Body); n > 2*c.Limits.Detect+1000 {
		t.Errorf("the decoder was fed %d bytes of history", n)
	}
}
