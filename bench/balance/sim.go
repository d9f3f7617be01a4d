package main

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// sim is a load and the hosts that carry it. Each host has workers, and a queue
// of those who wait for one. How much work a request is has a lognormal
// distribution, whose tail is heavy: with sigma 1 one in 1000 is 22 times the
// median.
type sim struct {
	hosts, workers int
	requests       int
	load           float64       // part of what hosts can do, at the end
	ramp           bool          // half of it at the beginning
	mean           time.Duration // of the work of a request
	sigma          float64       // 0 for an exponential distribution
	slowdown       float64       // of the slow host
	seed           uint64
}

func standard() sim {
	return sim{hosts: 200, workers: 1, requests: 1_000_000, load: 0.9, ramp: true, mean: 10 * time.Millisecond, sigma: 1, slowdown: 5, seed: 1}
}

// textbook is s as queueing theory has it: a steady load of exponential work.
func (s sim) textbook() sim {
	s.ramp, s.sigma, s.workers = false, 0, 1
	return s
}

func (s *sim) check() error {
	if s.hosts < 3 || s.requests < 1000 || s.load <= 0 || s.load > 2 {
		return errors.New("there must be 3 hosts and 1000 requests at least, and a load above 0 and up to 2")
	}
	return nil
}

// scene is what is wrong with hosts.
type scene struct {
	name          string
	slow, failing bool // the first host is slow; the second answers 503 at once
}

var scenes = []scene{
	{name: "All hosts are the same"},
	{name: "One host is five times as slow", slow: true},
	{name: "One host is slow, and one fails at once", slow: true, failing: true},
}

// contender is a policy as it is compared.
type contender struct {
	name, policy string
	tuning       upstream.Tuning
}

var contenders = []contender{
	{"round_robin", "round_robin", upstream.Tuning{}},
	{"random", "random", upstream.Tuning{}},
	{"maglev", "maglev", upstream.Tuning{}},
	{"maglev, bounded 125 %", "maglev", upstream.Tuning{Balance: 125}},
	{"least_request", "least_request", upstream.Tuning{}},
	{"least_request, 5 choices", "least_request", upstream.Tuning{Choices: 5}},
	{"least_request, full scan", "least_request", upstream.Tuning{FullScan: true}},
	{"peak_ewma", "peak_ewma", upstream.Tuning{}},
}

// result is what became of the load.
type result struct {
	mean, p50, p99, p999 time.Duration
	errors               float64 // part of the requests
	spread               float64 // standard deviation of how many requests sound hosts got, in means
	slow, failing        float64 // requests of those hosts, in means
}

// server is a host of the simulation.
type server struct {
	got   int
	busy  int
	queue []*request
	slow  float64
	fails bool
}

type request struct {
	want  upstream.Want
	host  *upstream.Host
	at    *server
	came  int64
	work  time.Duration
	ended int64
}

// ends are the requests that are being served, by when they end.
type ends []*request

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].ended < e[j].ended }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(*request)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// world is one run.
type world struct {
	sim
	now     int64 // ns
	cluster *upstream.Cluster
	servers map[*upstream.Host]*server
	ends    ends
	took    []time.Duration
	failed  int
}

// epoch is when simulated time begins, ns since the Unix epoch.
const epoch = int64(1_700_000_000) * int64(time.Second)

func (s sim) run(c contender, sc scene) (result, error) {
	p, err := upstream.NewPolicy(c.policy, c.tuning)
	if err != nil {
		return result{}, err
	}
	w := &world{sim: s, now: epoch, servers: map[*upstream.Host]*server{}, took: make([]time.Duration, 0, s.requests)}
	endpoints := make([]upstream.Endpoint, s.hosts)
	for i := range endpoints {
		endpoints[i].Address = fmt.Sprintf("10.0.%d.%d:80", i>>8, i&255)
	}
	w.cluster = upstream.New(upstream.Options{
		Name: "sim", Endpoints: endpoints, Policy: p, Clock: func() int64 { return w.now },
		Breakers: [2]upstream.Thresholds{{Requests: math.MaxInt64}, {}},
	})
	defer w.cluster.Close()
	for i, h := range w.cluster.Hosts() {
		w.servers[h] = &server{slow: 1, fails: sc.failing && i == 1}
		if sc.slow && i == 0 {
			w.servers[h].slow = s.slowdown
		}
	}
	if err := w.play(); err != nil {
		return result{}, err
	}
	return w.result(), nil
}

// play has requests come, at random times, more and more of them.
func (w *world) play() error {
	r := rand.New(rand.NewPCG(w.seed, 2))
	full := float64(w.hosts*w.workers) / float64(w.mean) // a ns
	next := float64(w.now)
	mu := math.Log(float64(w.mean)) - w.sigma*w.sigma/2 // so that the mean is that
	for i := range w.requests {
		rate := full * w.load
		if w.ramp {
			rate *= 0.5 + 0.5*float64(i)/float64(w.requests)
		}
		next += r.ExpFloat64() / rate
		w.until(int64(next))
		w.now = int64(next)
		q := &request{came: w.now, work: time.Duration(math.Exp(mu + w.sigma*r.NormFloat64()))}
		if w.sigma == 0 {
			q.work = time.Duration(r.ExpFloat64() * float64(w.mean))
		}
		q.want.Now, q.want.Hash, q.want.Hashed = w.now, r.Uint64(), true
		if err := w.begin(q); err != nil {
			return err
		}
	}
	w.until(math.MaxInt64)
	return nil
}

func (w *world) begin(q *request) error {
	h, err := w.cluster.Pick(context.Background(), &q.want)
	if err != nil {
		return err
	}
	q.host, q.at = h, w.servers[h]
	q.at.got++
	switch {
	case q.at.fails:
		q.ended = w.now + int64(time.Millisecond)
		heap.Push(&w.ends, q)
	case q.at.busy == w.workers:
		q.at.queue = append(q.at.queue, q)
	default:
		w.serve(q)
	}
	return nil
}

func (w *world) serve(q *request) {
	q.at.busy++
	q.ended = w.now + int64(float64(q.work)*q.at.slow)
	heap.Push(&w.ends, q)
}

// until ends what is over by then.
func (w *world) until(then int64) {
	for len(w.ends) > 0 && w.ends[0].ended <= then {
		q := heap.Pop(&w.ends).(*request)
		w.now = q.ended
		w.over(q)
	}
}

func (w *world) over(q *request) {
	took := time.Duration(w.now - q.came)
	status := 200
	if q.at.fails {
		status = 503
		w.failed++
	} else {
		w.took = append(w.took, took)
	}
	q.host.Report(&upstream.Result{Now: w.now, Status: status, First: took, Took: took})
	q.want.Done(q.host)
	if q.at.fails {
		return
	}
	q.at.busy--
	if len(q.at.queue) > 0 {
		first := q.at.queue[0]
		q.at.queue = q.at.queue[1:]
		w.serve(first)
	}
}

func (w *world) result() (r result) {
	slices.Sort(w.took)
	sum := time.Duration(0)
	for _, t := range w.took {
		sum += t
	}
	r.mean = sum / time.Duration(len(w.took))
	at := func(part float64) time.Duration { return w.took[min(len(w.took)-1, int(part*float64(len(w.took))))] }
	r.p50, r.p99, r.p999 = at(0.5), at(0.99), at(0.999)
	r.errors = float64(w.failed) / float64(w.requests)
	each := float64(w.requests) / float64(w.hosts)
	sound, square := 0.0, 0.0
	for _, s := range w.servers {
		part := float64(s.got) / each
		switch {
		case s.fails:
			r.failing = part
		case s.slow > 1:
			r.slow = part
		default:
			sound++
			square += (part - 1) * (part - 1)
		}
	}
	r.spread = math.Sqrt(square / sound)
	return r
}
