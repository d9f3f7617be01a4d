package outlier

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// The table is that of the reference: min(30 s * k, 300 s), k up with every
// ejection and down with every interval that was well.
func TestBackOff(t *testing.T) {
	w := over(t, 2, Default())
	for k, want := range []int64{30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300} {
		w.answers(0, 5, 500)
		w.want(fmt.Sprint("ejection ", k), "h0")
		from := w.now
		for w.out() != "" {
			w.sweep()
		}
		if got := (w.now - from) / second; got != want {
			t.Errorf("ejection %d took %d s, want %d", k+1, got, want)
		}
	}
	// 11 times is as far as it counts; ten intervals that were well leave one
	for range 9 {
		w.sweep()
	}
	w.answers(0, 5, 500)
	if got := w.d.of(w.c.Hosts()[0]).length(&w.d.o); got != 90*time.Second {
		t.Errorf("after nine good intervals: %s", got)
	}
	last := w.told[len(w.told)-1]
	if attribute(last, event.AttrOutlierLast) != "90" || attribute(last, event.AttrOutlierEjections) != "13" {
		t.Errorf("%+v", last.Attributes)
	}
}

func TestJitter(t *testing.T) {
	o := Default()
	o.Jitter = 15 * time.Second
	w := over(t, 2, o)
	w.d.draw = func(n int64) int64 {
		if n == int64(o.Jitter) {
			return int64(7 * time.Second)
		}
		return 99
	}
	w.answers(0, 5, 500)
	for range 3 {
		w.sweep()
	}
	w.want("after 30 s", "h0")
	w.sweep()
	w.want("after 40 s", "")
	if n := w.told[1]; n.Name != event.EventReturned || n.Body != "h0 is back after 40s: its time is over" {
		t.Errorf("%s: %s", n.Name, n.Body)
	}
}

func TestReturnByACheck(t *testing.T) {
	w := over(t, 2, Default())
	w.answers(0, 5, 500)
	w.now += second
	w.d.Passed(w.c.Hosts()[1], w.now)
	w.want("another's check", "h0")
	w.d.Passed(w.c.Hosts()[0], w.now)
	w.want("its check", "")
	w.d.Passed(w.c.Hosts()[0], w.now)
	if got := w.names(); !slices.Equal(got, []string{"ejected", "returned"}) || w.stat("active") != 0 {
		t.Errorf("told %v, %d active", got, w.stat("active"))
	}
	w.d.o.Return = false
	w.answers(0, 5, 500)
	w.d.Passed(w.c.Hosts()[0], w.now)
	w.want("not asked for", "h0")
}

// What operators do to ejections is theirs.
func TestOperators(t *testing.T) {
	w := over(t, 2, Default())
	a, b := w.c.Hosts()[0], w.c.Hosts()[1]
	w.answers(0, 5, 500)
	if !a.Return() {
		t.Error("it was not ejected")
	}
	w.sweep()
	if w.stat("active") != 0 {
		t.Error("one that an operator brought back counts as ejected")
	}
	w.answers(0, 5, 500)
	w.want("the operator was wrong", "h0")
	a.Return()
	w.answers(0, 5, 500)
	w.want("without a sweep in between", "h0")
	a.Return()
	b.Mark(upstream.Ejected, true)
	w.answers(1, 5, 500)
	w.sweep()
	w.want("one that an operator took out stays", "h1")
	if w.stat("active") != 0 || w.stat("enforced_total") != 3 {
		t.Errorf("%+v", w.d.Stats())
	}
}

// Whoever is gone does not count as ejected any more, and is new when it comes
// again.
func TestHostsThatGo(t *testing.T) {
	w := over(t, 2, Default())
	w.answers(0, 5, 500)
	w.c.Update(upstream.Addresses("h1", "h2"))
	w.sweep()
	if w.stat("active") != 0 {
		t.Error("a host that is gone is ejected")
	}
	n := 0
	w.d.hosts.Range(func(any, any) bool { n++; return true })
	if n != 2 {
		t.Errorf("%d hosts are known, want 2", n)
	}
	w.answers(0, 5, 500)
	w.want("the next", "h1")
}
