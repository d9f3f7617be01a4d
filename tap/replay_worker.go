package tap

import (
	"sync"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/reassembly"
)

// worker puts the segments of some connections in order and decodes them. It is
// the Emitter of their decoders: what they tell is copied, with its place in the
// order of all.
type worker struct {
	replay  *Replay
	batches *batches
	index   int
	shards  [numShards]*reassembly.Shard // nil where another's
	counts  reassembly.Counts
	rounds  chan *round
	part    *part
	filled  *filled
	key     int64 // of what is told now
	stream  int64
}

func newWorker(p *Replay, b *batches, index, of int) *worker {
	w := &worker{replay: p, batches: b, index: index}
	limits := p.Limits.TCP
	limits.Total /= numShards
	limits.Trails /= numShards
	for i := index; i < numShards; i += of {
		w.shards[i] = w.shard(limits)
	}
	return w
}

func (w *worker) shard(l reassembly.Limits) (s *reassembly.Shard) {
	s = reassembly.NewShard(l, &w.counts, func(c *reassembly.Conn) reassembly.Stream {
		return &placed{stream: w.replay.open(c, w), worker: w, shard: s, number: c.Number}
	})
	return s
}

func (w *worker) run() {
	for r := range w.rounds {
		w.work(r)
		r.working.Done()
	}
}

// work does a worker's part of a round.
func (w *worker) work(r *round) {
	w.part = &r.parts[w.index]
	for i := range w.part.items {
		it := &w.part.items[i]
		s := w.shards[it.conn.Number%numShards]
		if it.over {
			s.Over(it.at, it.conn, it.unwatched)
		} else {
			s.Segment(it.at, it.conn, it.dir, &it.seg)
		}
	}
	w.part.waits = false
	for _, s := range w.shards {
		if s != nil {
			s.Advance(r.until)
			w.part.waits = w.part.waits || s.Waits()
		}
	}
	w.filled = nil // a batch is of one round
}

func (w *worker) Exchange(x *event.Exchange) {
	b := w.filling()
	b.Batch.Exchange(x)
	w.tell(b, len(b.Exchanges)-1, false)
}

func (w *worker) Notice(n *event.Notice) {
	b := w.filling()
	b.Batch.Notice(n)
	w.tell(b, len(b.Notices)-1, true)
}

func (w *worker) tell(b *filled, index int, notice bool) {
	b.left++
	w.part.told = append(w.part.told, entry{
		key: w.key, stream: w.stream, ordinal: int32(len(w.part.told)), index: int32(index), notice: notice, batch: b,
	})
}

func (w *worker) filling() *filled {
	if w.filled == nil || w.filled.Full() {
		w.filled = w.batches.take()
	}
	return w.filled
}

// placed is a stream whose worker knows, while it is told something, at which
// time it is, and of which connection.
type placed struct {
	stream reassembly.Stream
	worker *worker
	shard  *reassembly.Shard
	number int64
}

// at sets the place of what is told now. What waited may be told with an
// earlier time, but not by more than segments usually wait.
func (p *placed) at(at int64) {
	w := p.worker
	w.key, w.stream = max(at, p.shard.Now()-w.replay.Limits.TCP.Wait), p.number
}

func (p *placed) Feed(d event.Dir, at int64, b []byte)     { p.at(at); p.stream.Feed(d, at, b) }
func (p *placed) Gap(d event.Dir, at, n int64)             { p.at(at); p.stream.Gap(d, at, n) }
func (p *placed) End(d event.Dir, at int64)                { p.at(at); p.stream.End(d, at) }
func (p *placed) Close(at int64)                           { p.at(at); p.stream.Close(at) }
func (p *placed) Truncated()                               { p.stream.Truncated() }
func (p *placed) Overlap(at int64, o *reassembly.Overlap)  { p.at(at); p.stream.Overlap(at, o) }
func (p *placed) Reset(at int64, r *reassembly.Reset)      { p.at(at); p.stream.Reset(at, r) }
func (p *placed) Reordered(d event.Dir, seq uint32, n int) { p.stream.Reordered(d, seq, n) }

// filled is a batch, of which some entries were not told yet.
type filled struct {
	event.Batch
	left int
}

// batches keeps batches to be filled anew.
type batches struct {
	mu    sync.Mutex
	spare []*filled
}

func (b *batches) take() *filled {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.spare); n > 0 {
		last := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return last
	}
	return new(filled)
}

func (b *batches) give(f *filled) {
	f.Reset()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spare = append(b.spare, f)
}
