package sink_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAway = errors.New("away")

func TestContractOfTheFake(t *testing.T) {
	sinktest.Contract(t, func(*testing.T) sinktest.Subject {
		f := &sinktest.Fake{}
		return sinktest.Subject{Sink: f, Rows: f.Rows, Break: func() func() {
			f.Fault = func(context.Context, int) error { return errAway }
			return func() { f.Fault = nil }
		}}
	})
}

// balance fails unless every accepted exchange is written, lost or queued.
func balance(t *testing.T, c sink.Counters) {
	t.Helper()
	if c.Accepted != c.Written+c.Failed+c.Dropped+c.Queued {
		t.Errorf("accepted %d, but written %d, failed %d, dropped %d, queued %d", c.Accepted, c.Written, c.Failed, c.Dropped, c.Queued)
	}
}

// feed sends batches, closes the channel and the pump, and returns its last counters.
func feed(t *testing.T, s sink.Sink, o sink.PumpOptions, batches []*event.Batch) (sink.Counters, error) {
	t.Helper()
	in := make(chan *event.Batch)
	p := sink.NewPump(s, in, o)
	for _, b := range batches {
		in <- b
	}
	close(in)
	err := p.Close(t.Context())
	c := p.Counters()
	balance(t, c)
	return c, err
}

func TestBlocksAreFullOrDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &sinktest.Fake{}
		in := make(chan *event.Batch)
		p := sink.NewPump(f, in, sink.PumpOptions{BlockRows: 303, BlockWait: time.Second})
		for _, b := range sinktest.Batches(7, 100) { // a notice each
			in <- b
		}
		synctest.Wait()
		if got := f.Blocks(); len(got) != 2 || got[0] != 300 || got[1] != 300 {
			t.Fatalf("blocks %v before the wait", got)
		}
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if got := f.Blocks(); len(got) != 3 || got[2] != 100 {
			t.Fatalf("blocks %v after the wait", got)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f.Closed() != 1 {
			t.Fatalf("sink closed %d times", f.Closed())
		}
	})
}

func TestFailingSinkIsTriedAgainUntilItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &sinktest.Fake{Fault: func(_ context.Context, attempt int) error {
			if attempt <= 5 {
				return errAway
			}
			return nil
		}}
		c, err := feed(t, f, sink.PumpOptions{BlockRows: 1}, sinktest.Batches(3, 10))
		if err != nil || c.Written != 30 || c.Retries != 5 || c.LastError != nil || f.Rows() != 30 {
			t.Fatalf("%+v, %v, %d rows", c, err, f.Rows())
		}
	})
}

// The token of a block stays the same, so that a sink which knows it stores the block once.
func TestLostAnswerDoesNotDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &sinktest.Fake{LoseAnswer: func(attempt int) bool { return attempt%2 == 1 }}
		c, err := feed(t, f, sink.PumpOptions{BlockRows: 1}, sinktest.Batches(4, 10))
		if err != nil || c.Written != 40 || f.Rows() != 40 {
			t.Fatalf("%+v, %v, %d rows", c, err, f.Rows())
		}
	})
}

func TestPermanentFailureIsCountedAndTheRestGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &sinktest.Fake{Fault: func(_ context.Context, attempt int) error {
			if attempt == 2 {
				return sink.Permanent(errAway)
			}
			return nil
		}}
		c, err := feed(t, f, sink.PumpOptions{BlockRows: 1}, sinktest.Batches(3, 10))
		if err != nil || c.Written != 20 || c.Failed != 10 || c.Retries != 0 || f.Rows() != 20 {
			t.Fatalf("%+v, %v, %d rows", c, err, f.Rows())
		}
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &sinktest.Fake{Fault: func(context.Context, int) error { return errAway }}
		c, err := feed(t, f, sink.PumpOptions{BlockRows: 1, Attempts: 3}, sinktest.Batches(2, 10))
		if err != nil || c.Failed != 20 || c.Retries != 4 || !errors.Is(c.LastError, errAway) {
			t.Fatalf("%+v, %v", c, err)
		}
	})
}

// Close has a deadline; what is still queued then is counted as dropped, and the error says why.
func TestCloseGivesUpAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &sinktest.Fake{Fault: func(ctx context.Context, attempt int) error {
			if attempt == 1 {
				return nil
			}
			<-ctx.Done() // a sink that hangs
			return ctx.Err()
		}}
		in := make(chan *event.Batch, 10)
		p := sink.NewPump(f, in, sink.PumpOptions{Name: "clickhouse", BlockRows: 1})
		for _, b := range sinktest.Batches(5, 10) {
			in <- b
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin := time.Now()
		err := p.Close(ctx) // the channel is still open: Close reads what is there
		if time.Since(begin) != 2*time.Second || err == nil || !strings.Contains(err.Error(), "clickhouse: 40 exchanges were not written in time") {
			t.Fatalf("after %s: %v", time.Since(begin), err)
		}
		c := p.Counters()
		balance(t, c)
		if c.Written != 10 || c.Dropped != 40 || c.Queued != 0 || f.Closed() != 1 {
			t.Fatalf("%+v", c)
		}
	})
}

// A slow sink fills the queue; then the pump stops reading, which is what makes a live subscription drop and a replay wait.
func TestFullQueueStopsReading(t *testing.T) {
	for _, o := range []sink.PumpOptions{{BlockRows: 1, QueueBatches: 4}, {BlockRows: 1, QueueBytes: 4 * 10 * 1024}} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			f := &sinktest.Fake{Fault: func(context.Context, int) error { <-release; return nil }}
			in := make(chan *event.Batch)
			p := sink.NewPump(f, in, o)
			all, sent := sinktest.Batches(10, 10), 0
			for _, b := range all {
				synctest.Wait()
				select {
				case in <- b:
					sent++
					continue
				default:
				}
				break
			}
			if sent < 3 || sent > 5 {
				t.Errorf("%d batches were read by a pump with room for 4", sent)
			}
			balance(t, p.Counters())
			close(release)
			for _, b := range all[sent:] {
				in <- b
			}
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if c := p.Counters(); c.Written != 100 || f.Rows() != 100 {
				t.Fatalf("%+v", c)
			}
		})
	}
}

func TestCloseTwiceIsCloseOnce(t *testing.T) {
	f := &sinktest.Fake{}
	p := sink.NewPump(f, make(chan *event.Batch), sink.PumpOptions{})
	_, _ = p.Close(t.Context()), p.Close(t.Context())
	if f.Closed() != 1 {
		t.Fatalf("closed %d times", f.Closed())
	}
}
