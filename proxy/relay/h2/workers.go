package h2

import (
	"runtime"
	"sync"
	"time"
)

// workers are goroutines that carry exchanges out, as many at once as there are
// processors. Each takes what is to be done next, be it a request that came or
// an exchange whose upstream has told something, and goes on with it until that
// is over or would wait for its upstream. What all of them have written is on
// its way when there is nothing left to do: few writes, few switches between
// goroutines, and one stack that is warm. An exchange that has to wait inside of
// a call keeps its worker, and another one takes its place.
type workers struct {
	wide int           // that run at once
	most int           // that wait for work
	old  time.Duration // for which one waits at most, as long as others come and go

	mu     sync.Mutex
	ready  queue
	active int       // that run, but for those that are alone
	idle   []*worker // those that waited least last
	left   remains   // of those that are alone
	now    int64     // about
	closed bool      // there is no connection: nobody waits for work
}

// worker is one of them.
type worker struct {
	pool  *workers
	work  chan bool // false ends it
	since int64     // when it began to wait
	alone bool      // what it does may wait
	turns int       // since it has written last
	remains
}

// remains are what is still to be done for exchanges that were carried on.
type remains struct {
	dirty []*conn       // whose output is to be written
	over  []*serverConn // that wait for an exchange which is over; one for each
}

// Bounds of the waiting: enough for a burst, and few after it.
const (
	idleWorkers = 1024
	workersOld  = 10 * time.Second
)

// turnsAtOnce is after how many exchanges what they wrote is sent, however much
// there is to do.
const turnsAtOnce = 64

// open lets workers wait for work, as there is a connection more.
func (p *workers) open() {
	wide := runtime.GOMAXPROCS(0) // it follows the limits of a container
	p.mu.Lock()
	p.closed, p.wide = false, wide
	p.mu.Unlock()
}

// carry has exchanges carried on, about now; 0 where that is not known.
func (p *workers) carry(now int64, all ...*request) {
	p.mu.Lock()
	p.now = max(p.now, now)
	for _, r := range all {
		p.ready.put(r)
	}
	if p.wanted() {
		p.rouse()
	}
	p.mu.Unlock()
}

// wanted reports whether there is work for one more. Locked.
func (p *workers) wanted() bool { return p.active < p.wide && p.ready.n > 2*p.active }

// rouse has one more work. Locked.
func (p *workers) rouse() {
	p.active++
	if n := len(p.idle) - 1; n >= 0 {
		w := p.idle[n]
		p.idle[n], p.idle = nil, p.idle[:n]
		w.work <- true
		return
	}
	go p.run(&worker{pool: p, work: make(chan bool, 1)})
}

func (p *workers) run(w *worker) {
	for more := true; more; {
		r := p.next(w)
		if r == nil {
			more = p.rest(w)
			continue
		}
		c := r.srv
		r.worker = w
		if r.step() {
			w.over = append(w.over, c)
		}
		if w.turns++; w.turns >= turnsAtOnce {
			w.settle()
		}
	}
}

// next is what w does next; nil when there is nothing for it.
func (p *workers) next(w *worker) *request {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.alone {
		w.alone = false
		p.active++
	}
	if p.active > p.wide {
		return nil
	}
	r := p.ready.get()
	if p.wanted() {
		p.rouse()
	}
	return r
}

// rest lets the others run once, in case they have something to do and to write,
// writes what there is, and waits. It reports false where w is to end.
func (p *workers) rest(w *worker) bool {
	runtime.Gosched()
	if p.busy() {
		return true
	}
	w.settle()
	p.mu.Lock()
	if p.ready.n > 0 && p.active <= p.wide || len(p.left.dirty)+len(p.left.over) > 0 {
		w.adopt(&p.left)
		p.mu.Unlock()
		return true
	}
	p.active--
	more := !p.closed && len(p.idle) < p.most
	if more {
		p.wait(w)
	}
	p.mu.Unlock()
	return more && <-w.work
}

func (p *workers) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready.n > 0 && p.active <= p.wide
}

// wait puts w among those that wait, and lets one go that has waited for long.
// Locked.
func (p *workers) wait(w *worker) {
	w.since = p.now
	p.idle = append(p.idle, w)
	if oldest := p.idle[0]; p.now-oldest.since > int64(p.old) {
		p.idle = append(p.idle[:0], p.idle[1:]...)
		oldest.work <- false
	}
}

// leave has w work for one exchange alone, which may wait: somebody else takes
// over what it has to do for others.
func (p *workers) leave(w *worker) {
	if w.alone {
		return
	}
	w.alone = true
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.left.adopt(&w.remains)
	if p.wanted() || p.active == 0 && len(p.left.dirty)+len(p.left.over) > 0 {
		p.rouse()
	}
}

// dismiss lets all go that wait, and those that would.
func (p *workers) dismiss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for i, w := range p.idle {
		w.work <- false
		p.idle[i] = nil
	}
	p.idle = p.idle[:0]
}

// later has c's output written before w waits.
func (w *worker) later(c *conn) {
	for _, x := range w.dirty {
		if x == c {
			return
		}
	}
	w.dirty = append(w.dirty, c)
}

// settle does what is left to do.
func (w *worker) settle() {
	w.turns = 0
	for i, c := range w.dirty {
		w.dirty[i] = nil
		c.send()
	}
	w.dirty = w.dirty[:0]
	for i, c := range w.over {
		w.over[i] = nil
		c.exchanges.Done()
	}
	w.over = w.over[:0]
}

// adopt takes over what others had to do.
func (r *remains) adopt(other *remains) {
	r.dirty = append(r.dirty, other.dirty...)
	r.over = append(r.over, other.over...)
	clear(other.dirty)
	clear(other.over)
	other.dirty, other.over = other.dirty[:0], other.over[:0]
}

// queue is what is to be carried on, the oldest first.
type queue struct {
	all     []*request // a ring, a power of two of them
	head, n int
}

// Sizes of a queue: the first, and what one that is empty keeps.
const (
	firstQueue = 64
	keptQueue  = 4096
)

func (q *queue) put(r *request) {
	if q.n == len(q.all) {
		larger := make([]*request, max(firstQueue, 2*len(q.all)))
		for i := range q.n {
			larger[i] = q.all[(q.head+i)&(len(q.all)-1)]
		}
		q.all, q.head = larger, 0
	}
	q.all[(q.head+q.n)&(len(q.all)-1)] = r
	q.n++
}

// get takes the oldest; nil when there is none.
func (q *queue) get() *request {
	if q.n == 0 {
		return nil
	}
	r := q.all[q.head]
	q.all[q.head] = nil
	q.head = (q.head + 1) & (len(q.all) - 1)
	if q.n--; q.n == 0 && len(q.all) > keptQueue {
		q.all, q.head = nil, 0
	}
	return r
}
