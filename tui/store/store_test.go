package store

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/filter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const second = int64(time.Second)

// base is a round time, so that slots begin where a test says.
var base = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC).UnixNano()

func get(at, took int64) event.Exchange {
	return event.Exchange{Name: "GET /", Service: "shop", Protocol: event.HTTP11, Start: at, End: at + took, RequestBytes: 1, ResponseBytes: 2, HTTP: &event.HTTP{StatusCode: 200}}
}

func find(at, took int64, site string) event.Exchange {
	return event.Exchange{
		Kind: event.Client, Name: "find orders", Service: "shop", Peer: "db", Protocol: event.MongoDB, Start: at, End: at + took,
		Mongo: &event.Mongo{Database: "shop", Collection: "orders", Operation: "find", Shape: 7, Query: "{}", Returned: 3, Site: event.CallSite{Name: site}},
	}
}

func batch(xs ...event.Exchange) *event.Batch {
	b := new(event.Batch)
	for i := range xs {
		b.Exchange(&xs[i])
	}
	return b
}

func wall(ns int64) time.Time { return time.Unix(0, ns) }

func TestWindowsForget(t *testing.T) {
	s := New(DefaultLimits())
	s.Apply(batch(get(base, second), get(base+10*second, second)), wall(base))
	for _, c := range []struct {
		w     Window
		after time.Duration
		want  uint64
	}{
		{Minute, 0, 2}, {Minute, 2 * time.Minute, 0}, {FiveMinutes, 2 * time.Minute, 2},
		{FiveMinutes, 6 * time.Minute, 0}, {Quarter, 6 * time.Minute, 2}, {Hour, 30 * time.Minute, 2}, {Hour, 2 * time.Hour, 0}, {All, 2 * time.Hour, 2},
	} {
		snap := s.Snapshot(Query{Parts: PartServices, Window: c.w, Now: wall(base).Add(c.after)})
		if snap.Total.N != c.want || (len(snap.Services) > 0) != (c.want > 0) {
			t.Errorf("%v after %v: %d exchanges in %d services, want %d", c.w, c.after, snap.Total.N, len(snap.Services), c.want)
		}
	}
}

// Slots are used again: an hour later nothing of before is left in them.
func TestSlotsAreUsedAgain(t *testing.T) {
	s := New(DefaultLimits())
	for i := range int64(3 * 3600) {
		s.Apply(batch(get(base+i*second, second/1000)), wall(base+i*second))
	}
	for w, least := range map[Window]uint64{Minute: 56, FiveMinutes: 280, Quarter: 840, Hour: 3360} {
		got := s.Snapshot(Query{Window: w}).Total.N
		if most := uint64(w.Length() / time.Second); got < least || got > most {
			t.Errorf("%v holds %d exchanges, want %d to %d", w, got, least, most)
		}
	}
	if got := s.Snapshot(Query{Window: Minute}).Total.Rate; got < 0.9 || got > 1.1 {
		t.Errorf("rate %v, want 1", got)
	}
}

// The window follows the clock of the traffic, whatever ours says.
func TestASkewedClockLosesNothing(t *testing.T) {
	for _, skew := range []time.Duration{-24 * time.Hour, 0, 24 * time.Hour} {
		s := New(DefaultLimits())
		s.Apply(batch(get(base, second)), wall(base).Add(skew))
		if got := s.Snapshot(Query{Window: Minute, Now: wall(base).Add(skew)}).Total.N; got != 1 {
			t.Errorf("skew %v: %d exchanges", skew, got)
		}
	}
}

func TestAttemptsAreNotCountedTwice(t *testing.T) {
	x := get(base, second)
	attempt := x
	attempt.Kind = event.Client
	s := New(DefaultLimits())
	s.Apply(batch(x, attempt), wall(base))
	snap := s.Snapshot(Query{Parts: PartServices | PartRecent, Window: All, Rows: 10})
	if snap.Total.N != 1 || len(snap.Services) != 1 || snap.Services[0].N != 1 || snap.Seen != 2 || len(snap.Recent) != 2 {
		t.Errorf("%+v", snap)
	}
}

func TestStats(t *testing.T) {
	a, b := find(base, 10*second/1000, "A"), find(base+second, 30*second/1000, "A")
	b.Status = event.Error
	s := New(DefaultLimits())
	s.Apply(batch(a, b, find(base, second, "")), wall(base))
	snap := s.Snapshot(Query{Parts: PartMongo | PartServices, Window: All})
	c := snap.Collections[0]
	if c.FullName() != "shop.orders" || len(c.Sites) != 2 || c.Sites[0].Name != "" || snap.Services[0].Name != "db" {
		t.Fatalf("%+v", snap)
	}
	at := c.Sites[1]
	if at.N != 2 || at.Errors != 1 || at.Total != 40*time.Millisecond || at.DocsPerCall() != 3 || at.ErrorShare() != 0.5 || at.Max != 30*time.Millisecond {
		t.Errorf("%+v", at)
	}
	if len(at.Shapes) != 1 || at.Shapes[0].N != 2 || at.Shapes[0].Query != "{}" {
		t.Errorf("%+v", at.Shapes)
	}
}

func TestManyPerTrace(t *testing.T) {
	s := New(DefaultLimits())
	b := new(event.Batch)
	for trace := range 50 {
		for i := range 7 {
			x := find(base, second, "A")
			x.TraceID = event.TraceID{1, byte(trace)}
			if i > 2 {
				x.Mongo.Shape++ // four of this shape, three of the other
			}
			b.Exchange(&x)
		}
		x := find(base, second, "none") // no trace: nothing to count by
		b.Exchange(&x)
	}
	s.Apply(b, wall(base))
	for _, site := range s.Snapshot(Query{Parts: PartMongo, Window: All}).Collections[0].Sites {
		if want := map[string]int{"A": 4, "none": 0}[site.Name]; site.PerTrace != want {
			t.Errorf("%s: %d per trace, want %d", site.Name, site.PerTrace, want)
		}
	}
}

// A flood of names ends in the bucket for the others; totals stay right.
func TestNamesAreBounded(t *testing.T) {
	l := Limits{Recent: 300, Notices: 3, Services: 4, Routes: 9, Collections: 4, Sites: 9, Shapes: 2}
	s := New(l)
	for i := range 2000 {
		x, m := get(base, second), find(base, second, fmt.Sprint("site", i))
		x.Service, x.Name = fmt.Sprint("s", i%50), fmt.Sprint("r", i)
		m.Mongo.Collection, m.Mongo.Shape, m.Peer = fmt.Sprint("c", i%20), uint64(i+1), fmt.Sprint("db", i)
		b := batch(x, m)
		b.Notice(&event.Notice{Name: "n"})
		s.Apply(b, wall(base))
	}
	snap := s.Snapshot(Query{Parts: PartServices | PartMongo | PartRecent, Window: All, Rows: 10000})
	routes, sites, calls, other := 0, 0, uint64(0), false
	for _, sv := range snap.Services {
		routes += len(sv.Routes)
		calls += sv.N
		other = other || sv.Name == Other
	}
	for _, c := range snap.Collections {
		sites += len(c.Sites)
	}
	if len(snap.Services) > l.Services+1 || routes > l.Routes+l.Services+1 || len(snap.Collections) > l.Collections+1 || sites > l.Sites+l.Collections+1 {
		t.Errorf("%d services, %d routes, %d collections, %d sites", len(snap.Services), routes, len(snap.Collections), sites)
	}
	if calls != 4000 || snap.Total.N != 4000 || !other || len(snap.Recent) > l.Recent || len(snap.Notices) != l.Notices {
		t.Errorf("%d calls, %d recent, %d notices, other %t", calls, len(snap.Recent), len(snap.Notices), other)
	}
}

func TestServicesWithoutANameGoByAddress(t *testing.T) {
	x := get(base, second)
	x.Service, x.Server = "", netip.MustParseAddrPort("10.0.0.1:80")
	s := New(DefaultLimits())
	s.Apply(batch(x), wall(base))
	if got := s.Snapshot(Query{Parts: PartServices, Window: All}).Services[0].Name; got != "10.0.0.1:80" {
		t.Errorf("%q", got)
	}
}

func TestCallsOfGRPCWebAreGRPC(t *testing.T) {
	x := get(base, second)
	x.GRPC = &event.RPC{Web: "text"}
	s := New(DefaultLimits())
	s.Apply(batch(x), wall(base))
	if got := s.Snapshot(Query{Parts: PartServices, Window: All}).Services[0].Protocol; got != event.GRPC {
		t.Errorf("%v", got)
	}
}

// The newest exchanges are kept in order, whatever the sizes of the batches.
func TestRecentKeepsTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := recent{limit: rapid.IntRange(1, 900).Draw(t, "limit")}
		n := int64(0)
		for _, size := range rapid.SliceOfN(rapid.SampledFrom([]int{1, 3, 127, 128, 256}), 1, 40).Draw(t, "sizes") {
			b := new(event.Batch)
			for range size {
				b.Exchange(&event.Exchange{Stream: n})
				n++
			}
			r.add(b)
		}
		want := n
		got := 0
		r.newest(func(x *event.Exchange) bool {
			if want--; x.Stream != want {
				t.Fatalf("got %d, want %d", x.Stream, want)
			}
			got++
			return true
		})
		if got > r.limit {
			t.Fatalf("%d kept, limit %d", got, r.limit)
		}
		if least := min(int(n), r.limit); got < least && len(r.segments) < 4*r.limit/event.BatchCap+2 {
			t.Fatalf("%d kept, want %d", got, least)
		}
	})
}

func TestFilter(t *testing.T) {
	s := New(DefaultLimits())
	s.Apply(batch(get(base, second), find(base, second, "A")), wall(base))
	f, err := filter.Parse("protocol:mongodb")
	if err != nil {
		t.Fatal(err)
	}
	s.Filter(f)
	s.Apply(batch(get(base, second), find(base, second, "A")), wall(base))
	q := Query{Parts: PartServices | PartRecent, Window: All, Rows: 10}
	if snap := s.Snapshot(q); snap.Total.N != 2 || len(snap.Services) != 1 || len(snap.Recent) != 2 || snap.Seen != 4 {
		t.Errorf("filtered: %+v", snap)
	}
	s.Filter(nil)
	if snap := s.Snapshot(q); snap.Total.N != 4 || len(snap.Recent) != 4 {
		t.Errorf("unfiltered: %+v", snap)
	}
}

func TestLossIsSummed(t *testing.T) {
	s := New(DefaultLimits())
	b := new(event.Batch)
	b.Notice(&event.Notice{Name: event.EventLoss, Attributes: []event.KeyValue{{Key: "lost", Value: "41"}}})
	b.Notice(&event.Notice{Name: event.EventLoss})
	s.Apply(b, wall(base))
	if got := s.Snapshot(Query{}).Lost; got != 42 {
		t.Errorf("lost %d", got)
	}
}

func TestConsume(t *testing.T) {
	s := New(DefaultLimits())
	c := make(chan *event.Batch, 1)
	c <- batch(get(base, second))
	close(c)
	s.Consume(t.Context(), c)
	if s.Seen() != 1 {
		t.Error("nothing seen")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Consume(ctx, make(chan *event.Batch))
}

// busy are full batches of an ordinary service.
func busy() (all []*event.Batch) {
	for range 16 {
		b := new(event.Batch)
		for i := range event.BatchCap {
			x := get(base+int64(i)*second/100, int64(i)*1e5)
			if i%2 == 0 {
				x = find(base+int64(i)*second/100, int64(i)*1e4, fmt.Sprint("site", i%30))
			}
			x.Name, x.TraceID = fmt.Sprint("GET /", i%20), event.TraceID{byte(i)}
			b.Exchange(&x)
		}
		all = append(all, b)
	}
	return all
}

// BenchmarkApply measures one exchange, half HTTP and half MongoDB.
func BenchmarkApply(b *testing.B) {
	s, batches := New(DefaultLimits()), busy()
	for _, x := range batches {
		s.Apply(x, wall(base))
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%event.BatchCap == 0 {
			s.Apply(batches[n/event.BatchCap%len(batches)], wall(base))
		}
	}
}

// BenchmarkSnapshot measures a snapshot of a store whose every limit is
// reached: its cost is bounded.
func BenchmarkSnapshot(b *testing.B) {
	s := New(DefaultLimits())
	for i := range 20000 {
		x, m := get(base+int64(i)*second/300, second/100), find(base+int64(i)*second/300, second/100, fmt.Sprint("s", i%400))
		x.Service, x.Name = fmt.Sprint("s", i%80), fmt.Sprint("r", i%400)
		s.Apply(batch(x, m), wall(base))
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Snapshot(Query{Parts: PartServices | PartMongo | PartRecent, Window: Minute, Rows: 1000})
	}
}
