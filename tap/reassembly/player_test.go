package reassembly

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
)

func tidy(s string) string {
	var all []string
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			all = append(all, l)
		}
	}
	return strings.Join(all, "\n")
}

// told writes down what a stream is told.
type told struct {
	out  *strings.Builder
	conn *Conn
	at   int64
}

func (s *told) say(d event.Dir, what string) {
	fmt.Fprintf(s.out, "%c%d %s\n", "><"[d], s.conn.Number, what)
}

func (s *told) clock(at int64) {
	if at < s.at {
		fmt.Fprintf(s.out, "time went back from %d to %d\n", s.at, at)
	}
	s.at = at
}

func (s *told) Feed(d event.Dir, at int64, b []byte) { s.clock(at); s.say(d, strconv.Quote(string(b))) }

func (s *told) Gap(d event.Dir, at, n int64) { s.clock(at); s.say(d, fmt.Sprint("gap ", n)) }

func (s *told) End(d event.Dir, at int64) { s.clock(at); s.say(d, "end") }

func (s *told) Truncated() { s.say(event.ToServer, "truncated") }

func (s *told) Reordered(event.Dir, uint32, int) {}

func (s *told) Overlap(at int64, o *Overlap) {
	s.clock(at)
	s.say(o.Dir, fmt.Sprintf("overlap at %d of %d: %q %q over=%t last=%t", o.Offset, o.Length, o.First, o.Second, o.Over, o.Last))
}

func (s *told) Reset(at int64, r *Reset) {
	s.clock(at)
	s.say(r.By, fmt.Sprintf("reset %s %t", r.Sequence, r.Believed))
}

func (s *told) Close(at int64) { s.clock(at); fmt.Fprintf(s.out, "close %d\n", s.conn.Number) }

func play(t *testing.T, l Limits, script string) string {
	t.Helper()
	var out strings.Builder
	a := New(l, func(c *Conn) Stream { return &told{out: &out, conn: c} })
	now := int64(1e18)
	for line := range strings.Lines(tidy(script)) {
		words := strings.Fields(strings.TrimSpace(line))
		switch words[0] {
		case "wait":
			d, err := time.ParseDuration(words[1])
			if err != nil {
				t.Fatal(err)
			}
			now += int64(d)
		case "flush":
			a.Flush()
		default:
			s := segmentOf(t, strings.TrimSpace(line))
			a.Segment(now, &s)
			scribble(s.Payload)
		}
		checkBooks(t, a)
	}
	return strings.TrimSpace(out.String())
}

// scribble overwrites a payload: who kept it without a copy is caught.
func scribble(b []byte) {
	for i := range b {
		b[i] = '!'
	}
}

func endpoint(s string) packet.Endpoint {
	a := netip.MustParseAddrPort(s)
	e := packet.Endpoint{Port: a.Port(), Family: 4}
	ip := a.Addr().As4()
	copy(e.Addr[:], ip[:])
	return e
}

func segmentOf(t *testing.T, line string) (s packet.Segment) {
	t.Helper()
	line, text, hasText := strings.Cut(line, `"`)
	w := strings.Fields(line)
	s.Src, s.Dst = clientEnd, serverEnd
	if w[0] == "<" {
		s.Src, s.Dst = serverEnd, clientEnd
	}
	for _, f := range w[1] {
		s.Flags |= map[rune]uint8{'S': packet.SYN, 'F': packet.FIN, 'R': packet.RST, 'A': packet.ACK, '-': 0}[f]
	}
	s.Seq = number(t, w[2])
	s.Flags &^= packet.ACK
	for _, more := range w[3:] {
		if ack, ok := strings.CutPrefix(more, "ack="); ok {
			s.Ack = number(t, ack)
			s.Flags |= packet.ACK
		}
	}
	if hasText {
		text, cut, _ := strings.Cut(text, `"`)
		s.Payload = []byte(text)
		if n, ok := strings.CutPrefix(cut, "+"); ok {
			s.Missing = int(number(t, n))
		}
	}
	return s
}

func number(t *testing.T, s string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// checkBooks compares the sums that the assembler keeps with what is there.
func checkBooks(t *testing.T, a *Assembler) {
	t.Helper()
	waits := 0
	for _, c := range a.tracker.conns {
		hole := false
		for d := range c.half {
			h := &c.half[d]
			n := 0
			for i, x := range h.queue {
				n += len(x.b)
				if i > 0 && before(x.seq, h.queue[i-1].end()) {
					t.Fatalf("what waits overlaps or is out of order: %d ends at %d, then %d", h.queue[i-1].seq, h.queue[i-1].end(), x.seq)
				}
			}
			if n != h.bytes {
				t.Fatalf("%d bytes wait, %d are booked", n, h.bytes)
			}
			waits += n
			hole = hole || h.hole(&a.shard.limits)
		}
		if hole != c.waits && !c.closed {
			t.Fatalf("connection %d: hole %t, in the list of the waiting %t", c.Number, hole, c.waits)
		}
	}
	if waits != a.shard.waits {
		t.Fatalf("%d bytes wait in all, %d are booked", waits, a.shard.waits)
	}
}
