package mongo

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// TestARepeatedCommentTellsTheSame sends comments over and over, so that they
// are parsed at first and known later, from two connections.
func TestARepeatedCommentTellsTheSame(t *testing.T) {
	s := newShared(Options{})
	var r testkit.Recorder
	for round := range 6 {
		dec := newConn(testConn(), s)
		for i, comment := range []any{
			"app/cart.go:90", "app/cart.go:91", d{e("file", "a.go"), e("line", 3), e("x", "y")}, "free text, two words",
			fmt.Sprintf("only once %d.", round), "app/cart.go:90",
		} {
			q := msg(i+1, 0, 0, d{e("find", "c"), e("comment", comment), e("$db", "s")})
			if err := dec.Feed(event.ToServer, 1, []byte(q), &r); err != nil {
				t.Fatal(err)
			}
		}
		dec.Close(2, &r)
	}
	n := len(r.Exchanges) / 6
	if n != 6 {
		t.Fatalf("%d exchanges, want 36", len(r.Exchanges))
	}
	for i := range r.Exchanges {
		if i%n == 4 {
			continue
		}
		if d := cmp.Diff(r.Exchanges[i%n].Mongo.Site, r.Exchanges[i].Mongo.Site); d != "" {
			t.Errorf("exchange %d: -first +now\n%s", i, d)
		}
	}
	if got := r.Exchanges[n*5+4].Mongo.Site.Text; got != "only once 5." {
		t.Errorf("text %q of a comment that is not repeated", got)
	}
	known := 0
	for i := range s.sites {
		if s.sites[i].seen.Load() != nil {
			known++
		}
	}
	if known != 4 {
		t.Errorf("%d comments are known, want the 4 that are repeated", known)
	}
}
