package accesslog

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Output gathers records and has them delivered, many at a time. It needs Run.
type Output struct {
	name  string // for messages
	to    target
	limit int // bytes of records that wait
	log   *slog.Logger

	mu      sync.Mutex // held to copy one record, or to change buffers
	waiting []byte
	count   int    // records in waiting
	spare   []byte // the buffer that is not waiting
	wake    chan struct{}
	asked   chan chan error // to reopen

	written, dropped, failed atomic.Uint64
	broken                   bool // the last delivery failed; used by Run alone
}

// target is where records go. One goroutine calls its methods.
type target interface {
	deliver(ctx context.Context, records []byte) error
	reopen() error
	close() error
}

// Times and sizes of deliveries.
const (
	gather    = 200 * time.Millisecond // how long a record may wait for others
	enough    = 64 << 10               // bytes that do not wait
	lastWords = 5 * time.Second        // for what is left at the end
)

func newOutput(name string, to target, limit int, log *slog.Logger) *Output {
	return &Output{name: name, to: to, limit: limit, log: log, wake: make(chan struct{}, 1), asked: make(chan chan error)}
}

// Name is the output's file, or the address of its server.
func (o *Output) Name() string { return o.name }

// Stats are the records delivered, those dropped because too many waited, and
// those lost to a target that did not take them.
func (o *Output) Stats() (written, dropped, failed uint64) {
	return o.written.Load(), o.dropped.Load(), o.failed.Load()
}

// put adds a record, or drops it when there is no room.
func (o *Output) put(record []byte) {
	o.mu.Lock()
	had := len(o.waiting)
	if had+len(record) > o.limit {
		o.mu.Unlock()
		o.dropped.Add(1)
		return
	}
	o.waiting = append(o.waiting, record...)
	o.count++
	now := len(o.waiting)
	o.mu.Unlock()
	if had == 0 || had < enough && now >= enough {
		select {
		case o.wake <- struct{}{}:
		default: // awake already
		}
	}
}

// take gives what waits, and the number of records in it.
func (o *Output) take() ([]byte, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, n := o.waiting, o.count
	o.waiting, o.spare, o.count = o.spare[:0], nil, 0
	return b, n
}

func (o *Output) size() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting)
}

// Run delivers records until ctx is done, then what is left, and closes the
// target.
func (o *Output) Run(ctx context.Context) {
	deliveries, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, cancel) })()
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for {
		select {
		case <-o.wake:
			if o.size() < enough {
				timer.Reset(gather)
				o.pause(ctx, deliveries, timer)
			}
			o.flush(deliveries)
		case done := <-o.asked:
			o.renew(deliveries, done)
		case <-ctx.Done():
			o.finish(deliveries)
			return
		}
	}
}

// renew reopens the target. What was told before belongs to the old file.
func (o *Output) renew(ctx context.Context, done chan error) {
	o.flush(ctx)
	done <- o.to.reopen()
}

// pause waits for more records, for a while.
func (o *Output) pause(ctx, deliveries context.Context, timer *time.Timer) {
	for {
		select {
		case <-timer.C:
			return
		case <-o.wake:
			if o.size() >= enough {
				return
			}
		case done := <-o.asked:
			o.renew(deliveries, done)
			return
		case <-ctx.Done():
			return
		}
	}
}

func (o *Output) finish(ctx context.Context) {
	o.flush(ctx)
	if err := o.to.close(); err != nil {
		o.log.Warn("access log: closing failed", "log", o.name, "error", err)
	}
}

// flush delivers what waits. It says when deliveries begin to fail, and when
// they go on.
func (o *Output) flush(ctx context.Context) {
	b, n := o.take()
	if n == 0 {
		return
	}
	err := o.to.deliver(ctx, b)
	if err == nil {
		o.written.Add(uint64(n))
	} else {
		o.failed.Add(uint64(n))
	}
	switch failing := err != nil; {
	case failing && !o.broken:
		o.log.Warn("access log: lines are lost", "log", o.name, "error", err)
	case !failing && o.broken:
		o.log.Info("access log: lines are written again", "log", o.name)
	}
	o.broken = err != nil
	o.mu.Lock()
	o.spare = b[:0]
	o.mu.Unlock()
}

// Reopen opens the file anew, after it was moved. It waits for that; ctx ends
// with Run at the latest.
func (o *Output) Reopen(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case o.asked <- done:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Discard closes an output that never ran.
func (o *Output) Discard() error { return o.to.close() }
