package sinktest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
)

// Subject is a sink under the contract.
type Subject struct {
	Sink sink.Sink
	// Rows counts the exchanges at the destination.
	Rows func() int
	// Break makes the destination fail until the returned function mends it; nil where a test cannot.
	Break func() (mend func())
}

// Contract runs what every sink must pass. open makes a fresh subject on an empty destination.
func Contract(t *testing.T, open func(t *testing.T) Subject) {
	t.Run("stores what it is given and keeps none of it", func(t *testing.T) {
		s := open(t)
		defer closeTwice(t, s.Sink)
		batches := Batches(3, 100)
		before := picture(batches)
		must(t, s.Sink.Write(t.Context(), batches))
		if !bytes.Equal(before, picture(batches)) {
			t.Error("Write changed its batches")
		}
		must(t, s.Sink.Write(t.Context(), Batches(1, 7)))
		wantRows(t, s, 307)
	})
	t.Run("takes nothing at all", func(t *testing.T) {
		s := open(t)
		defer closeTwice(t, s.Sink)
		must(t, s.Sink.Write(t.Context(), nil))
		must(t, s.Sink.Write(t.Context(), []*event.Batch{new(event.Batch)}))
		wantRows(t, s, 0)
	})
	t.Run("an ended context is no reason to give up for good", func(t *testing.T) {
		s := open(t)
		defer closeTwice(t, s.Sink)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Sink.Write(ctx, Batches(1, 1)); sink.IsPermanent(err) {
			t.Errorf("permanent: %v", err)
		}
	})
	t.Run("failing, then mended", func(t *testing.T) {
		s := open(t)
		defer closeTwice(t, s.Sink)
		if s.Break == nil {
			t.Skip("this destination cannot be broken by a test")
		}
		mend := s.Break()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Sink.Write(ctx, Batches(1, 5)); err == nil || sink.IsPermanent(err) {
			t.Errorf("a broken destination gave %v, want an error that is worth a retry", err)
		}
		mend()
		must(t, s.Sink.Write(t.Context(), Batches(1, 5)))
		wantRows(t, s, 5)
	})
	t.Run("the pump loses nothing through it", func(t *testing.T) {
		s := open(t)
		in := make(chan *event.Batch, 16)
		p := sink.NewPump(s.Sink, in, sink.PumpOptions{Name: "contract", BlockRows: 500})
		for _, b := range Batches(20, 100) {
			in <- b
		}
		close(in)
		must(t, p.Close(t.Context()))
		if c := p.Counters(); c.Accepted != 2000 || c.Written != 2000 || c.Lost() != 0 || c.Queued != 0 {
			t.Errorf("counters %+v", c)
		}
		wantRows(t, s, 2000)
	})
}

func closeTwice(t *testing.T, s sink.Sink) {
	t.Helper()
	must(t, s.Close())
	_ = s.Close() // must not panic; what it says is its own
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantRows(t *testing.T, s Subject, want int) {
	t.Helper()
	if got := s.Rows(); got != want {
		t.Errorf("%d rows at the destination, want %d", got, want)
	}
}

// picture is what batches look like as JSON Lines.
func picture(batches []*event.Batch) (b []byte) {
	for _, batch := range batches {
		for i := range batch.Exchanges {
			b = batch.Exchanges[i].AppendJSON(b)
		}
	}
	return b
}

// Batches makes n batches of size exchanges each, with one notice, all of now.
func Batches(n, size int) []*event.Batch {
	out := make([]*event.Batch, n)
	now := time.Now().UnixNano()
	for i := range out {
		b := new(event.Batch)
		for j := range size {
			id := uint32(i)<<16 | uint32(j)
			b.Exchange(&event.Exchange{
				TraceID: event.TraceID{1, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, SpanID: event.SpanID{1, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)},
				Protocol: event.HTTP11, Name: "GET /x", Service: "s", Start: now + int64(id), FirstByte: now + int64(id) + 1000, End: now + int64(id) + 2000,
				HTTP: &event.HTTP{Method: "GET", Path: fmt.Sprintf("/x/%d", id), Version: "1.1", StatusCode: 200},
			})
		}
		b.Notice(&event.Notice{Time: now, Name: event.EventLoss, Body: "none"})
		out[i] = b
	}
	return out
}
