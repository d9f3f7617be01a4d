package main

import (
	"math"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a load that takes a moment.
func small() sim {
	s := standard()
	s.hosts, s.requests = 50, 40_000
	return s
}

// results are those of the contenders of these names.
func results(t *testing.T, sc scene, names ...string) map[string]result {
	t.Helper()
	all := map[string]result{}
	for _, c := range contenders {
		if !slices.Contains(names, c.name) {
			continue
		}
		r, err := small().run(c, sc)
		if err != nil {
			t.Fatal(err)
		}
		all[c.name] = r
	}
	return all
}

// What is known of these policies: who looks at queues has shorter ones, and
// chance has longer ones than turns.
func TestOrderOfPolicies(t *testing.T) {
	same := results(t, scenes[0], "least_request", "round_robin", "random", "least_request, full scan", "peak_ewma", "maglev", "maglev, bounded 125 %")
	for _, better := range []struct {
		a, b   string
		factor float64 // that a's p99 is of b's, at most
	}{
		{"least_request", "round_robin", 0.7},
		{"least_request", "random", 0.5},
		{"least_request, full scan", "least_request", 1.05},
		{"peak_ewma", "random", 0.95},
		{"round_robin", "random", 1},
		{"maglev, bounded 125 %", "maglev", 1.05},
	} {
		if got := float64(same[better.a].p99) / float64(same[better.b].p99); got > better.factor {
			t.Errorf("p99 of %s is %.2f of that of %s, want at most %.2f", better.a, got, better.b, better.factor)
		}
	}
	slow := results(t, scenes[1], "least_request", "peak_ewma", "round_robin")
	for _, name := range []string{"least_request", "peak_ewma"} {
		if got := float64(slow[name].p99) / float64(slow["round_robin"].p99); got > 0.5 {
			t.Errorf("with a slow host p99 of %s is %.2f of that of round_robin, want at most 0.5", name, got)
		}
	}
	if slow["least_request"].slow > 0.7 || slow["round_robin"].slow < 0.9 {
		t.Errorf("the slow host gets %.2f of the mean by least_request, %.2f by round_robin", slow["least_request"].slow, slow["round_robin"].slow)
	}
	failing := results(t, scenes[2], "least_request", "peak_ewma", "round_robin")
	if e := failing["peak_ewma"].errors; e > 0.2/50 {
		t.Errorf("peak_ewma has %.4f errors, want less than a fifth of the failing host's share", e)
	}
	if a, b := failing["least_request"].errors, failing["round_robin"].errors; a < b {
		t.Errorf("least_request has %.4f errors, round_robin %.4f: a host that fails at once attracts", a, b)
	}
}

// Means that are known for many hosts with one worker each, in units of the mean
// work. By chance it is M/M/1: 1/(1-load). In turns it is nearly D/M/1:
// 1/(1-s) with s = exp(-(1-s)/load). The less busy of two: the sum of
// load^(2^i-2) for i from 1 on (Vvedenskaya, Dobrushin and Karpelevich 1996;
// Mitzenmacher 1996), which is 2.61 at 90 %, where chance is 10.
func TestMeansOfTheory(t *testing.T) {
	s := standard().textbook()
	s.hosts, s.requests = 100, 200_000
	x := 0.5
	for range 200 {
		x = math.Exp(-(1 - x) / s.load)
	}
	two := 0.0
	for i := 1; i < 20; i++ {
		two += math.Pow(s.load, math.Pow(2, float64(i))-2)
	}
	for _, c := range []struct {
		policy string
		want   float64
		within float64
	}{{"random", 1 / (1 - s.load), 0.15}, {"round_robin", 1 / (1 - x), 0.15}, {"least_request", two, 0.05}} {
		r, err := s.run(contender{policy: c.policy}, scenes[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := float64(r.mean) / float64(s.mean); math.Abs(got/c.want-1) > c.within {
			t.Errorf("%s: the mean is %.2f times the work, want %.2f", c.policy, got, c.want)
		}
	}
}

func TestTheLoadIsChecked(t *testing.T) {
	for _, change := range []func(*sim){func(s *sim) { s.hosts = 2 }, func(s *sim) { s.requests = 1 }, func(s *sim) { s.load = 3 }} {
		s := small()
		if change(&s); s.check() == nil {
			t.Errorf("%+v was taken", s)
		}
	}
}
