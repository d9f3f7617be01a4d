package health

import (
	"container/heap"
	"time"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// target is a host that is checked.
type target struct {
	state
	line Line  // used by the check that is under way only
	due  int64 // ns since the Unix epoch
	over int64 // when the last check was
	at   int   // in the queue; -1 while a check is under way
	gone bool  // it is no member any more
	warm bool  // it was there from the start and has had no answer yet
}

// schedule is who is to be asked when. It knows no clock.
type schedule struct {
	o     *Options
	draw  func(n int64) int64
	used  bool // the cluster has had traffic
	all   map[*upstream.Host]*target
	queue queue
	cold  int // targets that are warm
}

func newSchedule(o *Options, draw func(n int64) int64) *schedule {
	return &schedule{o: o, draw: draw, all: map[*upstream.Host]*target{}}
}

// members takes over who there is at now, and returns who is to be forgotten at
// once; those under way are when they are over.
func (s *schedule) members(hosts []*upstream.Host, now int64, start bool) (left []*target) {
	here := make(map[*upstream.Host]bool, len(hosts))
	for _, h := range hosts {
		if here[h] = true; s.all[h] == nil {
			s.add(h, now, start)
		}
	}
	for h, t := range s.all {
		if here[h] {
			continue
		}
		delete(s.all, h)
		s.warmed(t)
		if t.gone = true; t.at >= 0 {
			heap.Remove(&s.queue, t.at)
			left = append(left, t)
		}
	}
	return left
}

func (s *schedule) add(h *upstream.Host, now int64, start bool) {
	t := &target{due: now, warm: start}
	t.line.Host, t.line.Port, t.line.Reuse = h, s.o.Port, s.o.Reuse
	t.healthy = h.Flags()&upstream.FailedCheck == 0
	t.degraded = h.Flags()&upstream.DegradedCheck != 0
	if s.o.InitialJitter > 0 {
		t.due += s.draw(int64(s.o.InitialJitter))
	}
	if start {
		s.cold++
	}
	s.all[h] = t
	heap.Push(&s.queue, t)
}

// warmed notes that nobody waits for t any more.
func (s *schedule) warmed(t *target) {
	if t.warm {
		t.warm = false
		s.cold--
	}
}

// next is when somebody is due; false when nobody is.
func (s *schedule) next() (due int64, ok bool) {
	if len(s.queue) == 0 {
		return 0, false
	}
	return s.queue[0].due, true
}

// take is somebody who is due at now, nil where nobody is; the check is then
// under way, until done.
func (s *schedule) take(now int64) *target {
	if due, ok := s.next(); !ok || due > now {
		return nil
	}
	return heap.Pop(&s.queue).(*target)
}

// done takes in what came of a check that is over at now.
func (s *schedule) done(t *target, a *Answer, now int64) change {
	c := t.take(s.o, a)
	s.warmed(t)
	if t.over = now; !t.gone {
		t.due = now + int64(t.interval(s.o, s.used, s.draw))
		heap.Push(&s.queue, t)
	}
	return c
}

// trafficBegins has everybody be asked at their interval from now on, who were
// asked more rarely until now.
func (s *schedule) trafficBegins(now int64) {
	s.used = true
	for _, t := range s.queue {
		if t.checked {
			t.due = min(t.due, max(now, t.over+int64(t.interval(s.o, true, s.draw))))
		}
	}
	heap.Init(&s.queue)
}

// patience is how long a round of checks may take that everybody is part of.
func (o *Options) patience(hosts int) time.Duration {
	rounds := (hosts + o.Concurrency - 1) / o.Concurrency
	return min(o.InitialJitter+o.Timeout*time.Duration(max(1, rounds)), mostPatience)
}

// mostPatience bounds how long a start waits for checks.
const mostPatience = 10 * time.Second

// queue is a heap of targets, who is due first on top.
type queue []*target

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *queue) Push(x any) {
	t := x.(*target)
	t.at = len(*q)
	*q = append(*q, t)
}

func (q *queue) Pop() any {
	old := *q
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	t.at = -1
	return t
}
