package tap

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/pcapfile"
)

func inline(id int64) Inline {
	return Inline{ID: id, Listener: "main", Client: netip.MustParseAddrPort("[2001:db8::1]:50000"), Server: netip.MustParseAddrPort("[2001:db8::2]:80")}
}

// TestASlowReaderOfPlainBytes: nobody waits for it, and what it missed is a gap
// of the right length.
func TestASlowReaderOfPlainBytes(t *testing.T) {
	var p Plain
	if p.On() {
		t.Error("on without a reader")
	}
	r := p.Listen(func(*Inline) bool { return true })
	var n Passed
	p.Opened(inline(1), 1e18)
	const pieces = 400
	for i := range int64(pieces) {
		p.Passed(inline(1), &n, event.ToServer, 1e18+i, make([]byte, 64<<10))
	}
	dropped := r.Dropped()
	if dropped < 64<<20/10 || r.queued.Load() > plainBytes {
		t.Errorf("%d bytes were dropped and %d wait", dropped, r.queued.Load())
	}
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	sent := false
	err := r.WritePcapng(ctx, &out, "test", func() error {
		switch {
		case len(r.ch) > 0:
		case !sent: // the queue has room again
			p.Passed(inline(1), &n, event.ToServer, 1e18+pieces, []byte("at last"))
			p.Closed(inline(1), 1e18+pieces, false)
			sent = true
		default:
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if p.On() {
		t.Error("on after the last reader")
	}
	counts := countReplay(t, out.Bytes())
	if counts.Missing != dropped || counts.Gaps != 1 || !strings.Contains(out.String(), "reader was too slow") {
		t.Errorf("%+v; %d bytes were dropped", counts, dropped)
	}
}

func countReplay(t *testing.T, b []byte) (c struct{ Missing, Gaps uint64 }) {
	t.Helper()
	r, err := OpenReplay(ReplayOptions{Files: []string{"-"}, Stdin: bytes.NewReader(b)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sum, err := r.Run(t.Context(), new(discard))
	if err != nil {
		t.Fatal(err)
	}
	c.Missing, c.Gaps = sum.TCP.Missing, sum.TCP.Gaps
	return c
}

type discard struct{}

func (*discard) Exchange(*event.Exchange) {}
func (*discard) Notice(*event.Notice)     {}

// TestAReaderThatGoes: the error of its connection ends the writing.
func TestAReaderThatGoes(t *testing.T) {
	var p Plain
	r := p.Listen(func(*Inline) bool { return true })
	defer r.Close()
	gone := errors.New("gone")
	if err := r.WritePcapng(t.Context(), new(bytes.Buffer), "test", func() error { return gone }); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}

// TestResetsAreShown: a reset is one in the file too.
func TestResetsAreShown(t *testing.T) {
	var p Plain
	r := p.Listen(func(c *Inline) bool { return c.ID == 2 })
	defer r.Close()
	p.Opened(inline(1), 1e18)
	p.Opened(inline(2), 1e18)
	p.Closed(inline(2), 1e18, true)
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	if err := r.WritePcapng(ctx, &out, "test", func() error {
		if len(r.ch) == 0 {
			cancel()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f, err := pcapfile.NewReader("x", &out, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	var flags []byte
	var rec pcapfile.Record
	for f.Next(&rec) == nil {
		flags = append(flags, rec.Data[14+40+13])
	}
	if want := []byte{2, 0x12, 0x10, 0x14}; !bytes.Equal(flags, want) {
		t.Errorf("flags % x, want % x", flags, want)
	}
}
