package tap_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
	"github.com/pitot-io/pitot/tap"
)

// tape writes a pcap of raw IPv4 packets.
type tape struct{ bytes.Buffer }

func newTape() *tape {
	t := new(tape)
	h := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d)
	h = append(h, 2, 0, 4, 0)
	for _, v := range []uint32{0, 0, 65535, 101} {
		h = binary.LittleEndian.AppendUint32(h, v)
	}
	t.Write(h)
	return t
}

const (
	fin = 1
	syn = 2
	rst = 4
	ack = 16
)

// tcp adds a segment between 10.0.0.1:client and 10.0.0.2:80 at a time of ms
// milliseconds; up says that it is the client's. cut bytes are not captured.
func (t *tape) tcp(ms int, client uint16, up bool, flags byte, seq uint32, data string, cut int) {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	binary.BigEndian.PutUint16(b[2:], uint16(40+len(data)))
	ports := []uint16{client, 80}
	if !up {
		b[15], b[19] = 2, 1
		ports = []uint16{80, client}
	}
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, ports[0]), ports[1])
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, seq), 0)
	b = append(b, 5<<4, flags&^ack, 0, 0, 0, 0, 0, 0)
	b = append(b, data...)
	for _, v := range []int{1_700_000_000 + ms/1000, ms % 1000 * 1e6, len(b) - cut, len(b)} {
		t.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
	}
	t.Write(b[:len(b)-cut])
}

// talk is a whole connection that begins at ms.
func (t *tape) talk(ms int, client uint16) {
	t.tcp(ms, client, true, syn, 99, "", 0)
	t.tcp(ms, client, true, 0, 100, "ask", 0)
	t.tcp(ms+10, client, false, 0, 500, "answer", 0)
	t.tcp(ms+10, client, true, fin, 103, "", 0)
	t.tcp(ms+10, client, false, fin, 506, "", 0)
}

func (t *tape) save(tb testing.TB) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "x.pcap")
	if err := os.WriteFile(name, t.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

func replay(t *testing.T, o tap.ReplayOptions) (*testkit.Recorder, tap.Summary) {
	t.Helper()
	r := new(testkit.Recorder)
	sum, err := run(t.Context(), o, r)
	if err != nil {
		t.Fatal(err)
	}
	return r, sum
}

func run(ctx context.Context, o tap.ReplayOptions, out event.Emitter) (tap.Summary, error) {
	p, err := tap.OpenReplay(o)
	if err != nil {
		return tap.Summary{}, err
	}
	defer p.Close()
	return p.Run(ctx, out)
}

func brief(r *testkit.Recorder) string {
	var b strings.Builder
	for _, x := range r.Exchanges {
		fmt.Fprintf(&b, "%d %v %d+%d", x.Stream, x.Client, x.RequestBytes, x.ResponseBytes)
		x.Decode.Each(func(name string) { b.WriteString(" " + name) })
		b.WriteByte('\n')
	}
	for _, n := range r.Notices {
		b.WriteString(n.Name)
		for _, kv := range n.Attributes[2:] {
			b.WriteString(" " + kv.Key + "=" + kv.Value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestFilesAreMergedInTime: connections are numbered by their first packets,
// whichever file holds them and in whatever order the files are named.
func TestFilesAreMergedInTime(t *testing.T) {
	a, b := newTape(), newTape()
	a.talk(0, 1001)
	a.talk(20, 1003)
	b.talk(5, 1002)
	b.talk(40, 1004)
	want := "0 10.0.0.1:1001 3+6\n1 10.0.0.1:1002 3+6\n2 10.0.0.1:1003 3+6\n3 10.0.0.1:1004 3+6\n"
	first, second := a.save(t), b.save(t)
	for _, files := range [][]string{{first, second}, {second, first}} {
		r, sum := replay(t, tap.ReplayOptions{Files: files})
		if got := brief(r); got != want || sum.Files != 2 || sum.Packets != 20 || sum.Exchanges != 4 || sum.Clamped != 0 {
			t.Errorf("got\n%s%+v", got, sum)
		}
	}
}

// TestOneConnectionInTwoFiles: each file holds one direction.
func TestOneConnectionInTwoFiles(t *testing.T) {
	up, down := newTape(), newTape()
	up.tcp(0, 1001, true, syn, 99, "", 0)
	up.tcp(1, 1001, true, 0, 100, "ask", 0)
	down.tcp(2, 1001, false, 0, 500, "answer", 0)
	r, _ := replay(t, tap.ReplayOptions{Files: []string{up.save(t), down.save(t)}})
	if got := brief(r); got != "0 10.0.0.1:1001 3+6\n" {
		t.Error(got)
	}
}

func TestTimesNeverGoBack(t *testing.T) {
	p := newTape()
	p.tcp(10, 1001, true, syn, 99, "", 0)
	p.tcp(4, 1001, true, 0, 100, "ask", 0)
	p.tcp(12, 1001, false, 0, 500, "answer", 0)
	r, sum := replay(t, tap.ReplayOptions{Files: []string{p.save(t)}})
	x := r.Exchanges[0]
	if sum.Clamped != 1 || x.Start != 1_700_000_000_010_000_000 || x.FirstByte-x.Start != 2e6 {
		t.Errorf("%d clamped, from %d, first byte after %d ns", sum.Clamped, x.Start, x.FirstByte-x.Start)
	}
}

func TestLossIsTold(t *testing.T) {
	p := newTape()
	p.tcp(0, 1001, true, syn, 99, "", 0)
	p.tcp(1, 1001, true, 0, 100, "ask", 0)
	p.tcp(2, 1001, false, 0, 500, "an answer that is cut", 15)
	p.tcp(3, 1001, true, 0, 110, "behind a hole", 0)
	p.tcp(900, 1001, true, 0, 123, "later", 0)
	p.tcp(901, 1002, true, 0, 123, "no SYN", 0)
	r, sum := replay(t, tap.ReplayOptions{Files: []string{p.save(t)}, Capture: "c"})
	want := `0 10.0.0.1:1001 28+21 request_gap response_gap truncated
1 10.0.0.1:1002 6+0 mid_stream
pitot.event.capture_gap tcp_stream=0 gaps=2 bytes=22 first=to_client at byte 6
`
	if got := brief(r); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if sum.Cut != 1 || sum.TCP.Gaps != 2 || sum.TCP.Missing != 22 || r.Exchanges[0].Capture != "c" {
		t.Errorf("%+v", sum)
	}
}

// TestEvasionsAreTold: a byte told twice in different ways, before and after it
// was decoded, and resets with the right number and with a wrong one.
func TestEvasionsAreTold(t *testing.T) {
	p := newTape()
	p.tcp(0, 1001, true, syn, 99, "", 0)
	p.tcp(1, 1001, true, 0, 100, "ask", 0)
	p.tcp(2, 1001, true, 0, 100, "asK", 0)
	p.tcp(3, 1001, true, 0, 106, "WAIT", 0)
	p.tcp(3, 1001, true, 0, 107, "aiT", 0)
	p.tcp(4, 1001, true, 0, 103, "for", 0)
	p.tcp(5, 1001, false, 0, 500, "answer", 0)
	p.tcp(6, 1001, true, rst, 90_000_000, "", 0)
	p.tcp(7, 1001, false, rst, 506, "", 0)
	p.talk(8, 1002)
	name := p.save(t)
	for last, kept := range map[bool]string{false: "first", true: "last"} {
		l := tap.DefaultReplayLimits()
		l.TCP.LastWins = last
		r, sum := replay(t, tap.ReplayOptions{Files: []string{name}, Limits: l})
		want := `0 10.0.0.1:1001 10+6 reordered
1 10.0.0.1:1002 3+6
pitot.event.tcp_overlap tcp_stream=0 direction=to_server offset=2 sequence=102 length=1 first=6b last=4b kept=first
pitot.event.tcp_overlap tcp_stream=0 direction=to_server offset=7 sequence=107 length=3 first=414954 last=616954 kept=` + kept + `
pitot.event.connection_reset tcp_stream=0 by=client sequence=outside believed=false
pitot.event.connection_reset tcp_stream=0 by=server sequence=exact believed=true
`
		if got := brief(r); got != want || sum.TCP.Overlaps != 2 {
			t.Errorf("got\n%swant\n%s%+v", got, want, sum.TCP)
		}
	}
}

// TestALostDecoderIsTold: the connection is watched no more, the rest goes on.
func TestALostDecoderIsTold(t *testing.T) {
	p := newTape()
	p.talk(0, 1001)
	p.talk(20, 1002)
	broken := decode.Protocol{
		Name:   "broken",
		Detect: func(event.Dir, []byte) decode.Verdict { return decode.Yes },
		New:    func(decode.Conn) decode.Decoder { return lost{} },
	}
	r, sum := replay(t, tap.ReplayOptions{Files: []string{p.save(t)}, Protocols: []decode.Protocol{broken}})
	if sum.Failures != 2 || len(r.Notices) != 2 || r.Notices[0].Name != event.EventDecodeFailure {
		t.Errorf("%+v, %d notices", sum, len(r.Notices))
	}
}

type lost struct{}

func (lost) Feed(event.Dir, int64, []byte, event.Emitter) error { return decode.ErrLost }
func (lost) Gap(event.Dir, int64, int64, event.Emitter)         {}
func (lost) End(event.Dir, int64, event.Emitter)                {}
func (lost) Close(int64, event.Emitter)                         {}

// TestPositions: a decoder learns the sequence numbers of what it is fed.
func TestPositions(t *testing.T) {
	p := newTape()
	p.talk(0, 1001)
	var got []uint32
	var watch decode.Protocol
	watch.Detect = func(d event.Dir, b []byte) decode.Verdict {
		if d == event.ToClient {
			return decode.Yes
		}
		return decode.Maybe
	}
	watch.New = func(c decode.Conn) decode.Decoder { return positions{c, &got} }
	replay(t, tap.ReplayOptions{Files: []string{p.save(t)}, Protocols: []decode.Protocol{watch}})
	if fmt.Sprint(got) != "[100 500]" {
		t.Errorf("got %d", got)
	}
}

type positions struct {
	decode.Conn
	got *[]uint32
}

func (p positions) Feed(d event.Dir, _ int64, _ []byte, _ event.Emitter) error {
	*p.got = append(*p.got, p.Position(d, 0))
	return nil
}
func (positions) Gap(event.Dir, int64, int64, event.Emitter) {}
func (positions) End(event.Dir, int64, event.Emitter)        {}
func (positions) Close(int64, event.Emitter)                 {}

// TestSpeedKeepsThePace and nothing else: what is told does not change.
func TestSpeedKeepsThePace(t *testing.T) {
	p := newTape()
	p.talk(0, 1001)
	p.talk(8000, 1002)
	name := p.save(t)
	fast, _ := replay(t, tap.ReplayOptions{Files: []string{name}})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		slow, _ := replay(t, tap.ReplayOptions{Files: []string{name}, Speed: 4})
		if took := time.Since(began); took != 8010*time.Millisecond/4 {
			t.Errorf("took %v", took)
		}
		if slow.JSON() != fast.JSON() {
			t.Error("the pace changes what is told")
		}
	})
}

func TestReplayStopsWhenTold(t *testing.T) {
	p := newTape()
	p.talk(0, 1001)
	p.talk(3600_000, 1002)
	name := p.save(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		r := new(testkit.Recorder)
		_, err := run(ctx, tap.ReplayOptions{Files: []string{name}, Speed: 1}, r)
		if !errors.Is(err, context.DeadlineExceeded) || len(r.Exchanges) != 1 {
			t.Errorf("%v, %d exchanges", err, len(r.Exchanges))
		}
	})
}

func TestShiftMovesEveryTime(t *testing.T) {
	p := newTape()
	p.talk(0, 1001)
	p.talk(500, 1002)
	r, _ := replay(t, tap.ReplayOptions{Files: []string{p.save(t)}, ShiftTo: 5e18})
	if a, b := r.Exchanges[0].Start, r.Exchanges[1].Start; a != 5e18 || b != 5e18+500e6 {
		t.Errorf("%d and %d", a, b)
	}
}

// TestOneBadFileOfTwo: what the good one holds is told, and the error too.
func TestOneBadFileOfTwo(t *testing.T) {
	good, bad := newTape(), newTape()
	good.talk(0, 1001)
	bad.talk(1, 1002)
	bad.Write(bytes.Repeat([]byte{0xff}, 16))
	r := new(testkit.Recorder)
	_, err := run(t.Context(), tap.ReplayOptions{Files: []string{good.save(t), bad.save(t)}}, r)
	if err == nil || !strings.Contains(err.Error(), "corrupt here") || len(r.Exchanges) != 2 {
		t.Errorf("%v, %d exchanges", err, len(r.Exchanges))
	}
}

func TestParseSpeed(t *testing.T) {
	for s, want := range map[string]float64{"max": 0, "1x": 1, "4x": 4, "0.5x": 0.5} {
		if got, err := tap.ParseSpeed(s); got != want || err != nil {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "x", "4", "0x", "-1x", "Infx", "NaNx", "4xx"} {
		if _, err := tap.ParseSpeed(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

// FuzzReplay replays any file: it ends, twice in the same way.
func FuzzReplay(f *testing.F) {
	p := newTape()
	p.talk(0, 1001)
	p.tcp(20, 1003, true, 0, 100, "ask", 1)
	p.tcp(20, 1003, true, 0, 120, "more", 0)
	f.Add(p.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		var told [2]string
		for i := range told {
			r := new(testkit.Recorder)
			// What is wrong with the file does not matter here.
			_, _ = run(t.Context(), tap.ReplayOptions{Files: []string{"-"}, Stdin: bytes.NewReader(b)}, r)
			told[i] = r.JSON()
		}
		if told[0] != told[1] {
			t.Fatal("two replays differ")
		}
	})
}

// BenchmarkReplay is the whole way of a packet, without a protocol.
func BenchmarkReplay(b *testing.B) {
	p := newTape()
	data := strings.Repeat("x", 1400)
	for i := range 10_000 {
		p.tcp(i/10, uint16(1000+i/8%50), true, 0, uint32(1400*(i/400*8+i%8)), data, 0)
	}
	b.SetBytes(int64(p.Len()))
	b.ReportAllocs()
	for b.Loop() {
		sum, err := run(b.Context(), tap.ReplayOptions{Files: []string{"-"}, Stdin: io.Reader(bytes.NewReader(p.Bytes()))}, &lines{})
		if err != nil || sum.TCP.Gaps != 0 {
			b.Fatal(err, sum.TCP)
		}
	}
}
