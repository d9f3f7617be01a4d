package tap

import (
	"sync"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
	"github.com/pitot-io/pitot/tap/reassembly"
)

const (
	// numShards is into how many parts connections are divided. It is fixed, so
	// that what they share within one does not hang on the number of workers.
	numShards = 16

	roundPackets = 2048
	roundBytes   = 512 << 10 // of packets
	numRounds    = 4         // at most, read and not yet told
)

// line is what packets go along: rounds from the reader to the workers, and
// from each of them to the one who puts what they told in order.
type line struct {
	round   *round // that the reader fills
	workers []*worker
	order   order
	buffers buffers
	free    chan *round
	told    chan *round
	going   sync.WaitGroup // rounds that were cut and not told
	packets int            // and bytes since a round ended where rounds end
	bytes   int
	flushes bool
	watched bool           // every packet is a round, so that whoever watches knows which it is
	ended   sync.WaitGroup // goroutines
}

// round is some packets of all connections. It ends at a packet whose place
// hangs on the files alone, or earlier where somebody waits.
type round struct {
	parts   []part // by worker
	until   int64  // nothing that is told later has an earlier time, but for what waits
	whole   bool   // it did not end early
	last    bool   // everything is told after it
	items   int
	remarks []entry  // comments of the files
	written *filled  // where they are
	retired [][]byte // buffers that nobody needs after this round
	working sync.WaitGroup
}

// part is what one worker gets of a round, and what it makes of it.
type part struct {
	items []item
	told  []entry
	waits bool // some segments wait: what they tell may be of an earlier time
}

// item is a segment, or the end of a connection.
type item struct {
	at        int64
	conn      *reassembly.Conn
	over      bool
	unwatched bool // where over: nothing but the watching ends
	dir       event.Dir
	seg       packet.Segment
}

func newLine(p *Replay, out event.Emitter) *line {
	n, watched := min(p.Workers, numShards), p.Watch != nil
	if watched {
		n = 1
	}
	l := &line{watched: watched, free: make(chan *round, numRounds), told: make(chan *round, numRounds)}
	l.order = order{out: decode.Stages(p.Protocols, out), lag: p.Limits.TCP.Wait, once: watched}
	for i := range n {
		l.workers = append(l.workers, newWorker(p, &l.order.batches, i, n))
	}
	l.round = newRound(n)
	if n == 1 {
		return l
	}
	for range numRounds - 1 {
		l.free <- newRound(n)
	}
	for _, w := range l.workers {
		w.rounds = make(chan *round, numRounds)
		l.ended.Go(w.run)
	}
	l.ended.Go(l.tell)
	return l
}

func newRound(workers int) *round { return &round{parts: make([]part, workers)} }

// segment gives a segment to the worker of its connection.
func (l *line) segment(at int64, c *reassembly.Conn, d event.Dir, s *packet.Segment) {
	it := l.add(c)
	it.at, it.conn, it.dir, it.over, it.seg = at, c, d, false, *s
}

// over tells the worker of c that nothing more will come.
func (l *line) over(at int64, c *reassembly.Conn, unwatched bool) {
	it := l.add(c)
	*it = item{at: at, conn: c, over: true, unwatched: unwatched}
}

func (l *line) add(c *reassembly.Conn) *item {
	if l.flushes && l.round.items >= roundPackets {
		l.cut(l.round.until, true)
	}
	l.round.items++
	p := &l.round.parts[int(c.Number%numShards)%len(l.workers)]
	if len(p.items) == cap(p.items) {
		p.items = append(p.items, item{})
	} else {
		p.items = p.items[:len(p.items)+1]
	}
	return &p.items[len(p.items)-1]
}

// packet counts a packet of n bytes, after what it held, and ends the round
// when that is large enough.
func (l *line) packet(at int64, n int) {
	l.packets++
	l.bytes += n
	l.round.until = at
	if l.packets >= roundPackets || l.bytes >= roundBytes || l.watched {
		l.packets, l.bytes = 0, 0
		l.cut(at, true)
	}
}

// cut ends the round at a time before which no packet will come any more.
func (l *line) cut(until int64, whole bool) {
	r := l.round
	if r.items == 0 && len(r.retired) == 0 && len(r.remarks) == 0 && !whole {
		return
	}
	r.until, r.whole = until, whole
	if len(l.workers) == 1 {
		l.workers[0].work(r)
		l.order.tell(r)
		l.clear(r)
		return
	}
	l.going.Add(1)
	r.working.Add(len(l.workers))
	for _, w := range l.workers {
		w.rounds <- r
	}
	l.told <- r
	l.round = <-l.free
	l.round.until = until
}

// tell sees to it that rounds are told in their order.
func (l *line) tell() {
	for r := range l.told {
		r.working.Wait()
		l.order.tell(r)
		l.clear(r)
		l.free <- r
		l.going.Done()
	}
}

// clear makes a round, of which everything was told, ready to be filled.
func (l *line) clear(r *round) {
	for _, b := range r.retired {
		l.buffers.give(b)
	}
	clear(r.retired)
	r.retired, r.items, r.last = r.retired[:0], 0, false
	clear(r.remarks)
	r.remarks, r.written = r.remarks[:0], nil
	for i := range r.parts {
		p := &r.parts[i]
		clear(p.items) // lets go of connections and packets
		p.items = p.items[:0]
		clear(p.told)
		p.told = p.told[:0]
	}
}

// drain waits until everything that was read is told: what comes next changes
// how the rest is read.
func (l *line) drain() {
	l.cut(l.round.until, false)
	l.going.Wait()
}

// end is drain at the end of everything.
func (l *line) end(until int64) {
	l.round.last = true
	l.cut(until, true)
	l.going.Wait()
	if len(l.workers) > 1 {
		for _, w := range l.workers {
			close(w.rounds)
		}
		close(l.told)
	}
	l.ended.Wait()
}

// count adds what workers and the one behind them counted.
func (l *line) count(s *Summary) {
	for _, w := range l.workers {
		s.TCP.Add(&w.counts)
	}
	s.Exchanges, s.Notices, s.Failures = l.order.exchanges, l.order.notices, l.order.failures
}

// retire takes a buffer that nobody needs once this round is told.
func (l *line) retire(b []byte) { l.round.retired = append(l.round.retired, b) }

// buffers are for files to be read into.
type buffers struct {
	mu    sync.Mutex
	spare [][]byte
}

const bufferBytes = 256 << 10

func (b *buffers) take(n int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := len(b.spare); k > 0 && n <= len(b.spare[k-1]) {
		last := b.spare[k-1]
		b.spare = b.spare[:k-1]
		return last
	}
	return make([]byte, max(n, bufferBytes))
}

func (b *buffers) give(buf []byte) {
	if len(buf) < bufferBytes {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spare = append(b.spare, buf)
}
