package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-io/pitot/internal/event"
)

// TestCountTellsTheSameNumbersAsApply lends one exchange after the other from
// memory that is used again, as a decoder does.
func TestCountTellsTheSameNumbersAsApply(t *testing.T) {
	kept, counted := New(DefaultLimits()), New(DefaultLimits())
	text := []byte("GET /a")
	for i := range 500 {
		text[5] = 'a' + byte(i%7)
		x := event.Exchange{Name: string(text), Service: "shop", Start: int64(i) * 1e6, End: int64(i)*1e6 + 5000}
		if i%3 == 0 {
			x.Status = event.Error
		}
		b := new(event.Batch)
		b.Exchange(&x)
		kept.Apply(b, time.Time{})
		counted.Count(&x)
		x = event.Exchange{}
	}
	q := Query{Parts: PartServices | PartMongo | PartRecent, Window: All, Rows: 9}
	got, want := counted.Snapshot(q), kept.Snapshot(q)
	if len(want.Recent) != 9 || len(got.Recent) != 0 {
		t.Errorf("%d and %d newest exchanges, want 9 and none", len(want.Recent), len(got.Recent))
	}
	want.Recent = got.Recent
	if d := cmp.Diff(want, got); d != "" || got.Seen != 500 {
		t.Errorf("-applied +counted, %d seen\n%s", got.Seen, d)
	}
}
