package tls

import (
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// sink takes bytes and counts them.
type sink struct{ n int }

func (s *sink) Feed(_ event.Dir, _ int64, b []byte, _ event.Emitter) error { s.n += len(b); return nil }
func (s *sink) Gap(event.Dir, int64, int64, event.Emitter)                 {}
func (s *sink) End(event.Dir, int64, event.Emitter)                        {}
func (s *sink) Close(int64, event.Emitter)                                 {}
func (s *sink) Exchange(*event.Exchange)                                   {}
func (s *sink) Notice(*event.Notice)                                       {}

// recordLoop runs loop over records of 16,000 bytes that come one after the
// other, whole or (cut > 0) in two pieces.
func recordLoop(b testing.TB, id uint16, records, cut int, loop func(func())) {
	c := newScript(id)
	open := c.open12
	if id>>8 == 0x13 {
		open = func() []testkit.Piece { return c.open13() }
	}
	s := new(sink)
	conn := testConn()
	conn.Switch = func(decode.Conn, decode.Handover) decode.Decoder { return s }
	conn.Position = func(event.Dir, int) uint32 { return 7 }
	d := Protocol(Options{Keys: keysOf(b, c.log())}).New(conn)
	for _, p := range open() {
		if err := d.Feed(p.Dir, 1, p.Bytes, s); err != nil {
			b.Fatal(err)
		}
	}
	text := strings.Repeat("x", 16000)
	all := make([][]byte, records)
	for i := range all {
		all[i] = c.data(event.ToClient, text).Bytes
	}
	i := 0
	loop(func() {
		rec := all[i]
		i++
		if d.Feed(event.ToClient, 1, rec[:cut], s) != nil || d.Feed(event.ToClient, 1, rec[cut:], s) != nil {
			b.Fatal("lost")
		}
	})
	if s.n != i*len(text) {
		b.Fatalf("%d bytes handed on of %d", s.n, i*len(text))
	}
}

// BenchmarkRecord measures deciphering a record of 16,000 bytes.
func BenchmarkRecord(b *testing.B) {
	for _, id := range []uint16{0x1301, 0x1302, 0x1303, 0x1304, 0xc02f} {
		b.Run(suiteName(id), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(16000)
			recordLoop(b, id, b.N, 0, func(f func()) {
				b.ResetTimer()
				for range b.N {
					f()
				}
			})
		})
	}
}
