package sink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/bits"
	mrand "math/rand/v2"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// PumpOptions bound a pump. Zero values mean the defaults beside the fields.
type PumpOptions struct {
	Name string // in errors

	QueueBatches int   // batches kept while the sink is slow or away; default 4096
	QueueBytes   int64 // their size, estimated; default 256 MiB

	BlockRows int           // exchanges and notices that are written at once; default 10,000
	BlockWait time.Duration // or after this long; default 1 s

	RetryMin time.Duration // bounds of the pause before a retry, chosen at random below a doubling bound (full jitter);
	RetryMax time.Duration // defaults 100 ms and 15 s
	Attempts int           // per block; default 0: until Close, as a full queue is bound enough
}

func (o PumpOptions) withDefaults() PumpOptions {
	o.QueueBatches = max(o.QueueBatches, 0)
	if o.QueueBatches == 0 {
		o.QueueBatches = 4096
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 256 << 20
	}
	if o.BlockRows <= 0 {
		o.BlockRows = 10_000
	}
	if o.BlockWait <= 0 {
		o.BlockWait = time.Second
	}
	if o.RetryMin <= 0 {
		o.RetryMin = 100 * time.Millisecond
	}
	if o.RetryMax < o.RetryMin {
		o.RetryMax = max(15*time.Second, o.RetryMin)
	}
	return o
}

// Counters tell where exchanges are. At any time Accepted = Written + Failed + Dropped + Queued.
type Counters struct {
	Accepted uint64 // taken from the subscription, which counts what it had to drop itself
	Written  uint64 // the sink said that they are safe
	Failed   uint64 // refused for good, or after Attempts
	Dropped  uint64 // still queued when Close ran out of time
	Queued   uint64 // waiting or being written

	NoticesAccepted, NoticesWritten uint64

	Retries   uint64 // writes that were tried again
	LastError error  // of the newest failed write; nil after a good one
}

// Lost is what was accepted and will not be written.
func (c Counters) Lost() uint64 { return c.Failed + c.Dropped }

// Pump stands between a subscription and a sink: it collects blocks, writes them one at a time, tries again what may still work,
// and counts. While its queue is full it does not read, so that the subscription before it drops (live) or waits (replay).
//
// Its two goroutines belong to it; Close waits for them.
type Pump struct {
	sink Sink
	o    PumpOptions
	run  string // begins the tokens of this pump's blocks

	mu     sync.Mutex
	queue  []*event.Batch
	bytes  int64
	ended  bool // no more input
	counts Counters

	more  chan struct{} // holds one: the queue has grown, or ended
	space chan struct{} // holds one: the queue has shrunk

	stop    chan struct{} // closed by Close: read what is there and end
	abandon context.CancelFunc
	writing context.Context // ends when Close runs out of time
	done    sync.WaitGroup
	once    sync.Once
	closed  error
}

// NewPump starts to read in, until it is closed or Close is called, and to write to s.
func NewPump(s Sink, in <-chan *event.Batch, o PumpOptions) *Pump {
	p := &Pump{
		sink: s, o: o.withDefaults(), run: rand.Text(),
		more: make(chan struct{}, 1), space: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	p.writing, p.abandon = context.WithCancel(context.Background())
	p.done.Go(func() { p.read(in) })
	p.done.Go(p.write)
	return p
}

// Counters is a snapshot.
func (p *Pump) Counters() Counters {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// Close reads what the subscription still holds, writes out everything, and closes the sink. When ctx ends first the rest is dropped and
// counted, and the error says how much. It may be called again.
func (p *Pump) Close(ctx context.Context) error {
	p.once.Do(func() { p.closed = p.close(ctx) })
	return p.closed
}

func (p *Pump) close(ctx context.Context) error {
	close(p.stop)
	release := context.AfterFunc(ctx, p.abandon)
	p.done.Wait()
	release()
	p.abandon()
	err := p.sink.Close()
	if n := p.dropRest(); n > 0 {
		err = errors.Join(fmt.Errorf("%s: %d exchanges were not written in time: %w", p.o.Name, n, cause(p.Counters().LastError, ctx.Err())), err)
	}
	return err
}

// cause is the first error there is.
func cause(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return context.Canceled
}

// read moves batches from in to the queue.
func (p *Pump) read(in <-chan *event.Batch) {
	defer p.end()
	for {
		select {
		case b, ok := <-in:
			if !ok || !p.push(b) {
				return
			}
		case <-p.stop:
			p.drain(in)
			return
		}
	}
}

// drain takes what is left in the subscription when Close is called.
func (p *Pump) drain(in <-chan *event.Batch) {
	for {
		select {
		case b, ok := <-in:
			if !ok || !p.push(b) {
				return
			}
		default:
			return
		}
	}
}

func (p *Pump) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	signal(p.more)
}

// push queues b and, while the queue is full, waits. It is false when Close ran out of time; b is counted then.
func (p *Pump) push(b *event.Batch) bool {
	p.mu.Lock()
	p.queue = append(p.queue, b)
	p.bytes += size(b)
	p.counts.Accepted += uint64(len(b.Exchanges))
	p.counts.Queued += uint64(len(b.Exchanges))
	p.counts.NoticesAccepted += uint64(len(b.Notices))
	p.mu.Unlock()
	signal(p.more)
	for p.full() {
		select {
		case <-p.space:
		case <-p.writing.Done():
			return false
		}
	}
	return true
}

func (p *Pump) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue) >= p.o.QueueBatches || p.bytes >= p.o.QueueBytes
}

// size estimates the memory of a batch, in bytes: its texts are not walked.
func size(b *event.Batch) int64 { return int64(len(b.Exchanges))*1024 + int64(len(b.Notices))*512 }

// signal leaves one message; a second before it is read says nothing new.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write takes blocks from the queue until it has ended and is empty.
func (p *Pump) write() {
	for seq := 1; ; seq++ {
		block := p.await()
		if len(block) == 0 {
			return
		}
		err := p.deliver(fmt.Sprintf("%s-%d", p.run, seq), block)
		if err != nil && p.writing.Err() != nil {
			return // the block stays queued, and close counts it
		}
		p.settle(block, err)
	}
}

// await waits for a full block, for BlockWait after its first batch, or for the end, and returns what there is. The batches stay in
// the queue until settle.
func (p *Pump) await() []*event.Batch {
	var timeout <-chan time.Time
	var timer *time.Timer
	for {
		block, rows, ended := p.head()
		if rows >= p.o.BlockRows || ended {
			if timer != nil {
				timer.Stop()
			}
			return block
		}
		if len(block) > 0 && timer == nil {
			timer = time.NewTimer(p.o.BlockWait)
			timeout = timer.C
		}
		select {
		case <-p.more:
		case <-timeout:
			return block
		case <-p.writing.Done():
			return nil
		}
	}
}

// head is the next block: batches up to BlockRows.
func (p *Pump) head() (block []*event.Batch, rows int, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.queue) && rows < p.o.BlockRows {
		rows += p.queue[n].Len()
		n++
	}
	full := len(p.queue) >= p.o.QueueBatches || p.bytes >= p.o.QueueBytes
	return p.queue[:n:n], rows, p.ended || full // a full queue cannot wait for a fuller block
}

// deliver writes block until it is safe, refused for good, out of attempts, or Close has run out of time.
func (p *Pump) deliver(token string, block []*event.Batch) error {
	ctx := WithToken(p.writing, token)
	for attempt := 1; ; attempt++ {
		err := p.sink.Write(ctx, block)
		p.note(err)
		if err == nil || IsPermanent(err) || attempt == p.o.Attempts {
			return err
		}
		pause := time.NewTimer(p.backoff(attempt))
		select {
		case <-pause.C:
		case <-p.writing.Done():
			pause.Stop()
			return err
		}
		p.mu.Lock()
		p.counts.Retries++
		p.mu.Unlock()
	}
}

// backoff is a random pause below a bound that doubles with every attempt (full jitter), so that many pumps do not come back at once.
func (p *Pump) backoff(attempt int) time.Duration {
	bound := p.o.RetryMax
	if shift := attempt - 1; shift < bits.LeadingZeros64(uint64(p.o.RetryMin))-1 {
		bound = min(bound, p.o.RetryMin<<shift)
	}
	return 1 + mrand.N(bound)
}

func (p *Pump) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.LastError = err
}

// settle takes block off the queue and counts it.
func (p *Pump) settle(block []*event.Batch, err error) {
	p.mu.Lock()
	for _, b := range block {
		n := uint64(len(b.Exchanges))
		p.bytes -= size(b)
		p.counts.Queued -= n
		if err != nil {
			p.counts.Failed += n
			continue
		}
		p.counts.Written += n
		p.counts.NoticesWritten += uint64(len(b.Notices))
	}
	clear(p.queue[:len(block)])
	p.queue = p.queue[len(block):]
	p.mu.Unlock()
	signal(p.space)
}

// dropRest counts what is left as dropped.
func (p *Pump) dropRest() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.counts.Queued
	p.counts.Dropped += n
	p.counts.Queued = 0
	p.queue, p.bytes = nil, 0
	return n
}
