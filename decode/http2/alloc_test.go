package http2

import (
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// nobody takes exchanges and keeps nothing.
type nobody struct{ exchanges, notices int }

func (n *nobody) Exchange(*event.Exchange) { n.exchanges++ }
func (n *nobody) Notice(*event.Notice)     { n.notices++ }

// steady is a conversation of n exchanges on one connection whose streams go
// on counting: the frames of one exchange, fields from the tables.
func steady() (d *conn, one func(emit event.Emitter)) {
	d = newConn(plainConn(), Options{})
	t := hello()
	for range 3 { // until all that repeats is in the tables
		t.post(1, "/orders/7?a=b")
		t.answer(1, false, "200")
	}
	for _, p := range t.pieces[:2] {
		_ = d.Feed(p.Dir, 1, p.Bytes, new(nobody))
	}
	first := newTalk()
	first.enc, first.buf = t.enc, t.buf
	warm := t.pieces[2:]
	request, answer := string(warm[4].Bytes), string(warm[5].Bytes)
	body := string(frameBytes(frameData, flagEndStream, 1, "{\"id\":7,\"lines\":[1,2,3]}"))
	pieces := [][]byte{[]byte(string(warm[0].Bytes) + body), []byte(string(warm[1].Bytes) + body)}
	id := uint32(1)
	feed := func(emit event.Emitter) {
		for dir, b := range pieces {
			at := 0
			for at < len(b) { // the stream's number in every header
				f := parseFrame(b[at:])
				b[at+5], b[at+6], b[at+7], b[at+8] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
				at += headSize + f.length
			}
			_ = d.Feed(event.Dir(dir), int64(id), b, emit)
		}
		id += 2
	}
	feed(new(nobody))
	pieces = [][]byte{[]byte(request + body), []byte(answer + body)}
	return d, feed
}

func TestExchangesCostNoAllocation(t *testing.T) {
	_, one := steady()
	emit := new(nobody)
	for range 100 {
		one(emit) // warm up
	}
	if n := testing.AllocsPerRun(1000, func() { one(emit) }); n != 0 {
		t.Errorf("%v allocations per exchange", n)
	}
	if emit.exchanges < 1000 || emit.notices != 0 {
		t.Errorf("%d exchanges, %d notices", emit.exchanges, emit.notices)
	}
}

// BenchmarkExchange measures the decoder: a POST of 6 fields and its answer, each
// with one DATA frame, fields out of the dynamic tables, with everything a span
// needs.
func BenchmarkExchange(b *testing.B) {
	_, one := steady()
	emit := new(nobody)
	b.ReportAllocs()
	for b.Loop() {
		one(emit)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*emit.exchanges), "ns/message")
	if emit.notices != 0 {
		b.Fatal("notices were told")
	}
}
