package health

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// letters are answers: s success, d degraded, f a failure that is enough, w one
// that is not, n no answer.
func answerOf(letter rune) *Answer {
	switch letter {
	case 's':
		return &Answer{}
	case 'd':
		return &Answer{Degraded: true}
	case 'f':
		return &Answer{Outcome: Failure}
	case 'w':
		return &Answer{Outcome: Weak}
	}
	return &Answer{Outcome: Network}
}

func none(int64) int64 { return 0 }

func testOptions() *Options {
	o := Options{
		Interval: 10 * time.Second, NoTraffic: 60 * time.Second, Unhealthy: 20 * time.Second, UnhealthyEdge: 3 * time.Second, HealthyEdge: 2 * time.Second,
		UnhealthyThreshold: 3, HealthyThreshold: 2, Timeout: time.Second,
	}.withDefaults()
	return &o
}

// The state after each answer: + healthy, - not, ~ degraded; and the time to
// the next check in seconds.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		name      string
		healthy   bool // to begin with
		answers   string
		want      string
		intervals string
	}{
		{"the first success is enough", false, "s", "+", "10"},
		{"the first failure is one, and no next success suffices alone", false, "nss", "--+", "20 2 10"},
		{"three failures in a row", true, "snnn", "+++-", "10 3 3 20"},
		{"a success ends a run of failures", true, "snnsnnn", "++++++-", "10 3 3 10 3 3 20"},
		{"a status that counts", true, "swwn", "+++-", "10 3 3 20"},
		{"a failure that is enough", true, "sf", "+-", "10 20"},
		{"two successes bring it back", true, "sfss", "+--+", "10 20 2 10"},
		{"a failure ends a run of successes", true, "sfsnss", "+----+", "10 20 2 20 2 10"},
		{"degraded and back", true, "sdds", "+~~+", "10 10 10 10"},
		{"degraded, failing, degraded", false, "dfdd", "~--~", "10 20 2 10"},
		{"failing first, though nothing was against it", true, "nnn", "++-", "3 3 20"},
	} {
		s := state{healthy: c.healthy}
		var got, intervals []string
		for _, letter := range c.answers {
			before := s
			change := s.take(testOptions(), answerOf(letter))
			if change.health != (before.healthy != s.healthy) || change.first == before.checked {
				t.Errorf("%s: %c: %+v from %+v to %+v", c.name, letter, change, before, s)
			}
			got = append(got, map[string]string{healthy: "+", unhealthy: "-", degraded: "~"}[s.String()])
			intervals = append(intervals, fmt.Sprint(int(s.interval(testOptions(), true, none).Seconds())))
		}
		if strings.Join(got, "") != c.want || strings.Join(intervals, " ") != c.intervals {
			t.Errorf("%s: %v, %v, want %s, %s", c.name, got, intervals, c.want, c.intervals)
		}
	}
}

func TestIntervals(t *testing.T) {
	o := testOptions()
	s := state{healthy: true, checked: true, last: true}
	if got := s.interval(o, false, none); got != time.Minute {
		t.Errorf("without traffic: %s", got)
	}
	o.JitterPercent, o.Jitter = 20, 500*time.Millisecond
	most := func(n int64) int64 { return n - 1 }
	if got := s.interval(o, true, most); got != 12*time.Second+500*time.Millisecond-2 {
		t.Errorf("with the most jitter: %s", got)
	}
	o = &Options{Interval: 7 * time.Second}
	*o = o.withDefaults()
	for _, d := range []time.Duration{o.NoTraffic, o.Unhealthy, o.UnhealthyEdge, o.HealthyEdge} {
		if d != 7*time.Second {
			t.Errorf("%+v", o)
		}
	}
}

func TestPatience(t *testing.T) {
	o := testOptions()
	o.InitialJitter = 2 * time.Second
	for hosts, want := range map[int]time.Duration{0: 3 * time.Second, 1: 3 * time.Second, 256: 3 * time.Second, 257: 4 * time.Second, 100_000: 10 * time.Second} {
		if got := o.patience(hosts); got != want {
			t.Errorf("%d hosts: %s, want %s", hosts, got, want)
		}
	}
}

const second = int64(time.Second)

// due are those due at now, in order.
func due(s *schedule, now int64) (all []*target) {
	for t := s.take(now); t != nil; t = s.take(now) {
		all = append(all, t)
	}
	return all
}

func addresses(all []*target) string {
	var names []string
	for _, t := range all {
		names = append(names, t.line.Host.Address())
	}
	return strings.Join(names, " ")
}

func TestSchedule(t *testing.T) {
	c := upstream.New(upstream.Options{Endpoints: upstream.Addresses("a", "b"), Newcomers: upstream.FailedCheck})
	s := newSchedule(testOptions(), none)
	s.members(c.Hosts(), 0, true)
	first := due(s, 0)
	if len(first) != 2 || s.cold != 2 {
		t.Fatalf("%d are due at once, %d cold", len(first), s.cold)
	}
	for _, x := range first {
		s.done(x, answerOf('s'), 0)
	}
	if next, _ := s.next(); next != 60*second || s.cold != 0 {
		t.Errorf("without traffic the next is at %d s, %d cold", next/second, s.cold)
	}
	s.trafficBegins(4 * second)
	if got := due(s, 9*second); got != nil {
		t.Errorf("at 9 s: %s", addresses(got))
	}
	both := due(s, 10*second)
	if len(both) != 2 {
		t.Fatalf("at 10 s: %s", addresses(both))
	}
	s.done(both[0], answerOf('n'), 11*second)
	s.done(both[1], answerOf('s'), 10*second)
	if got := due(s, 14*second); len(got) != 1 || got[0] != both[0] {
		t.Errorf("after a failure: %s", addresses(got))
	}

	c.Update(upstream.Addresses("b", "c"))
	left := s.members(c.Hosts(), 15*second, false)
	a, b := s.all[c.Hosts()[0]], s.all[c.Hosts()[1]]
	if len(s.all) != 2 || a == nil || b == nil || s.cold != 0 {
		t.Fatalf("%d are known", len(s.all))
	}
	for _, x := range left { // whose check is not under way
		if !x.gone {
			t.Error("who left is not gone")
		}
	}
	if got := addresses(due(s, 15*second)); got != "c" && got != "c b" && got != "b c" {
		t.Errorf("the new one is due at once: %q", got)
	}
}

// Whose check is under way when it goes is not asked again.
func TestWhoGoesDuringACheck(t *testing.T) {
	c := upstream.New(upstream.Options{Endpoints: upstream.Addresses("a")})
	s := newSchedule(testOptions(), none)
	s.members(c.Hosts(), 0, true)
	x := s.take(0)
	if left := s.members(nil, 0, false); len(left) != 0 || s.cold != 0 || !x.gone {
		t.Errorf("%d left, %d cold", len(left), s.cold)
	}
	s.done(x, answerOf('s'), second)
	if _, ok := s.next(); ok {
		t.Error("it is due again")
	}
}

func TestInitialJitter(t *testing.T) {
	c := upstream.New(upstream.Options{Endpoints: upstream.Addresses("a", "b", "c")})
	o := testOptions()
	o.InitialJitter = 3 * time.Second
	n := int64(0)
	s := newSchedule(o, func(int64) int64 { n += second; return n })
	s.members(c.Hosts(), 0, true)
	if got := addresses(due(s, 3*second)); got != "a b c" || n != 3*second {
		t.Errorf("in order of their draws: %q", got)
	}
}
