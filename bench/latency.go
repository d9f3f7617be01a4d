package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// paced measures how long requests take through peers at a fixed rate: half of
// what the slowest of them can carry, so that none is near its end.
type paced struct {
	title  string
	origin func() (address string, stop func(), err error)
	direct func(address string) (client, error) // to the origin, without a peer
	client func(address string) (client, error)
	peers  []peer
}

// direct is the name of the way without a peer.
const direct = "no proxy"

func (p paced) run(o options, dir string) error {
	upstream, stop, err := p.origin()
	if err != nil {
		return err
	}
	defer stop()
	f := forwarding{client: p.client, peers: p.peers}
	rate, err := f.lowest(o, dir, upstream)
	if err != nil {
		return err
	}
	t := newTable(fmt.Sprintf("%s: time of a request at %.0f a second, half of what the slowest carries", p.title, rate/2), "p50, us", "p99, us", direct)
	for range o.rounds {
		took, err := pace(upstream, p.direct, o, rate/2)
		if err != nil {
			return err
		}
		t.add(direct, quantile(took, 0.5), quantile(took, 0.99))
		for _, peer := range f.present(o) {
			if err := p.once(t, peer, o, dir, upstream, rate/2); err != nil {
				return fmt.Errorf("%s: %w", peer.name, err)
			}
		}
	}
	t.print()
	return nil
}

// lowest is the requests a second of the slowest peer.
func (f forwarding) lowest(o options, dir, upstream string) (least float64, err error) {
	for _, p := range f.present(o) {
		_, rate, err := f.once(p, o, dir, upstream)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		if least == 0 || rate < least {
			least = rate
		}
	}
	return least, nil
}

func (p paced) once(t *table, peer peer, o options, dir, upstream string, rate float64) error {
	r, err := peer.start(dir, upstream)
	if err != nil {
		return err
	}
	defer r.stop()
	if _, err := (forwarding{client: p.client}).load(r.listen, o.conns, o.secs/4); err != nil { // warm up
		return err
	}
	took, err := pace(r.listen, p.client, o, rate)
	if err != nil {
		return err
	}
	t.add(peer.name, quantile(took, 0.5), quantile(took, 0.99))
	return nil
}

// pace sends requests at a rate, in turn over all connections, and gives the
// times that they took, sorted. A request is timed from when it was due: one
// that has to wait for another does not look fast for that.
func pace(address string, dial func(string) (client, error), o options, rate float64) ([]time.Duration, error) {
	every := time.Duration(float64(time.Second) / rate * float64(o.conns))
	began := time.Now().Add(10 * time.Millisecond)
	took, errs := make([][]time.Duration, o.conns), make([]error, o.conns)
	var all sync.WaitGroup
	for i := range o.conns {
		all.Go(func() {
			c, err := dial(address)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.close()
			for due := began.Add(every / time.Duration(o.conns) * time.Duration(i)); due.Sub(began) < o.secs; due = due.Add(every) {
				time.Sleep(time.Until(due))
				if woke := time.Since(due); woke > late {
					due = due.Add(woke) // the load itself was late: that is no peer's fault
				}
				if err := c.once(); err != nil {
					errs[i] = err
					return
				}
				took[i] = append(took[i], time.Since(due))
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	one := slices.Concat(took...)
	slices.Sort(one)
	return one, nil
}

// late is how much later than asked a sleep may end.
const late = 2 * time.Millisecond

// quantile is in microseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(q*float64(len(sorted)-1))].Nanoseconds()) / 1e3
}

func benchLatency(o options, dir string) error {
	ask := dialHTTP([]byte(requestHead), len(body1k))
	return paced{"HTTP/1.1, 1 KiB answers, keep-alive", http1Origin(body1k), ask, ask, http1Peers(o)}.run(o, dir)
}

func benchLatencyTLS(o options, dir string) error {
	peers, err := tlsPeers(o)
	if err != nil {
		return err
	}
	ask := dialHTTP([]byte(requestHead), len(body1k))
	return paced{"HTTP/1.1 over TLS 1.3, 1 KiB answers, keep-alive", http1Origin(body1k), ask, dialTLS([]byte(requestHead)), peers}.run(o, dir)
}

func benchLatencyHTTP2(o options, dir string) error {
	return paced{"HTTP/2 in cleartext, 1 KiB answers", h2Origin(answer1k), dialling(getH2), dialling(getH2), http2Peers(o)}.run(o, dir)
}

func benchLatencyGRPC(o options, dir string) error {
	return paced{"gRPC unary, 128-byte message echoed", h2Origin(echoCall), dialling(callH2), dialling(callH2), grpcPeers(o)}.run(o, dir)
}

func benchLatencyWebSocket(o options, dir string) error {
	w := newEchoes()
	return paced{"WebSocket, 64-byte message echoed", w.origin, w.dial, w.dial, webSocketPeers(o)}.run(o, dir)
}

func benchLatencyTCP(o options, dir string) error {
	ask := dialExchange(body1k, body1k)
	return paced{"TCP, 1 KiB request and answer", tcpOrigin, ask, ask, append(tcpPeers(), pitotPeers(o, "tcp")...)}.run(o, dir)
}
