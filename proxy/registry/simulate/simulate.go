package simulate

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Result is what became of one scenario.
type Result struct {
	Scenario  string
	Story     string
	Healthy   int // hosts that worked, at the least
	Least     int // hosts that got exchanges, at the least
	Taken     int // hosts that worked and got exchanges, and then got none
	Dead      int // hosts that died
	Removed   int // of them, those that were members no more at the end
	OutAfter  time.Duration
	GoneAfter time.Duration // the longest that one took from its death
	Exchanges int
	Failed    int       // exchanges: there was no host, or a dead one
	Answers   [4]uint64 // good, empty, none, not to be used

	begun bool
}

func (r *Result) least(alive int) int {
	if !r.begun {
		r.begun = true
		return alive
	}
	return r.Healthy
}

// Run plays every scenario.
func Run(ctx context.Context, o Options) ([]Result, error) {
	if o.Hosts <= 0 {
		o.Hosts = 100
	}
	if o.For <= 0 {
		o.For = 40 * time.Minute
	}
	var all []Result
	for i, s := range scenarios() {
		r, err := play(ctx, o, s, uint64(i))
		if err != nil {
			return all, fmt.Errorf("simulation of %q: %w", s.name, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func play(ctx context.Context, o Options, s scenario, seed uint64) (Result, error) {
	w := newWorld(o, seed)
	w.r.Scenario, w.r.Story = s.name, s.story
	for ; w.now.Sub(w.began) < o.For; w.now = w.now.Add(tick) {
		if err := ctx.Err(); err != nil {
			return *w.r, err
		}
		s.happens(w, w.now.Sub(w.began))
		if err := w.step(ctx); err != nil {
			return *w.r, err
		}
	}
	w.sum()
	return *w.r, nil
}

// sum adds up what became of the hosts.
func (w *world) sum() {
	for _, h := range w.hosts {
		if h.lost {
			w.r.Taken++
		}
		if h.died.IsZero() || !h.known {
			continue
		}
		w.r.Dead++
		if !h.out.IsZero() {
			w.r.OutAfter = max(w.r.OutAfter, h.out.Sub(h.died))
		}
		if !h.gone.IsZero() {
			w.r.Removed++
			w.r.GoneAfter = max(w.r.GoneAfter, h.gone.Sub(h.died))
		}
	}
	u := w.cluster.Updates()
	w.r.Answers = [4]uint64{u.Success.Load() - u.Empty.Load(), u.Empty.Load(), u.Failure.Load(), u.Rejected.Load()}
}

// Taken is how many working hosts were taken away in all scenarios.
func Taken(all []Result) (n int) {
	for _, r := range all {
		n += r.Taken
	}
	return n
}

// Print writes the results as a table.
func Print(w io.Writer, all []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCENARIO\tHEALTHY\tROUTED\tTAKEN AWAY\tDIED\tOUT AFTER\tREMOVED\tAFTER\tANSWERS\tEMPTY\tFAILED\tREJECTED\tEXCHANGES LOST\tWHAT HAPPENS")
	for _, r := range all {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%d\t%s\t%d\t%d\t%d\t%d\t%.3f%%\t%s\n", r.Scenario, r.Healthy, r.Least, r.Taken, r.Dead, after(r.OutAfter), r.Removed, after(r.GoneAfter),
			r.Answers[0], r.Answers[1], r.Answers[2], r.Answers[3], 100*float64(r.Failed)/float64(max(1, r.Exchanges)), r.Story)
	}
	return t.Flush()
}

func after(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.String()
}
