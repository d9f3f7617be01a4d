package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/clickhouse"
	"github.com/pitot-io/pitot/sink/store/launch"
	"github.com/pitot-io/pitot/tap"
)

// Values of --store beside a DSN.
const (
	storeEmbedded = "embedded"
	storeNone     = "none"
)

const (
	historyQueue    = 16                     // batches between the replay and the blocks
	historyBlock    = 25_000                 // spans written at once: a block costs the store a part in every table
	historyBytes    = 2 * historyBlock << 10 // of blocks, as the pump estimates them: one is written, the next is filled
	historyAttempts = 8                      // per block: about a minute with their pauses
	historyClose    = time.Minute
)

// history writes what a replay finds to a store. The replay waits for it.
type history struct {
	hub   *tap.Hub
	sub   *tap.Subscription
	pump  *sink.Pump
	out   *clickhouse.Sink
	warn  io.Writer
	store *launch.Keeper // nil unless the store is the embedded one
	dsn   string
	stop  []func() bool
	quit  context.CancelFunc
	done  chan struct{}
}

// openHistory connects to the store of that name, and starts the embedded one
// when that is the name and none runs. Without the engine there is no history:
// unless it must be, warn is told, and nil returned.
func openHistory(ctx context.Context, name string, must bool, warn io.Writer) (h *history, err error) {
	if name == storeNone {
		return nil, nil
	}
	h = &history{dsn: name, warn: warn, done: make(chan struct{})}
	if name == storeEmbedded {
		h.store, err = openEmbedded(ctx, launch.Options{}, slog.New(slog.NewTextHandler(warn, nil)))
		if engineMissing(err) && !must {
			fmt.Fprintf(warn, "pitot: no history is kept: %v\n", err)
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w; --store none goes without", err)
		}
		h.dsn = h.store.DSN()
	}
	o := clickhouse.DefaultOptions(h.dsn)
	o.Stay = true // how long a store keeps what is the proxy's to say, not a capture's
	if h.out, err = clickhouse.Open(ctx, o); err != nil {
		return nil, errors.Join(err, h.release(ctx))
	}
	h.begin(ctx, h.out)
	return h, nil
}

// checkStore tells a mistake in --store before anything is opened.
func checkStore(name string) error {
	if name == "" || name == storeEmbedded || name == storeNone {
		return nil
	}
	if err := clickhouse.CheckDSN(name); err != nil {
		return usagef("--store: %w; %s is the one of this machine", err, storeEmbedded)
	}
	return nil
}

func (h *history) begin(ctx context.Context, out sink.Sink) {
	h.hub = tap.NewHub(1)
	h.sub = h.hub.Subscribe("store", historyQueue, true)
	h.pump = sink.NewPump(out, h.sub.C(), sink.PumpOptions{
		Name: "store", Attempts: historyAttempts, BlockRows: historyBlock, QueueBytes: historyBytes,
	})
	h.stop = append(h.stop, context.AfterFunc(ctx, h.sub.Close)) // so that the replay waits no longer
	ctx, h.quit = context.WithCancel(ctx)
	go func() {
		defer close(h.done)
		h.hub.Run(ctx)
	}()
}

// emitter takes what is to be stored.
func (h *history) emitter() event.Emitter { return h.hub.Publisher(0) }

// finish writes out what is left and says how much was stored, and where the
// traffic, which began at first, is too old for the store to keep.
func (h *history) finish(ctx context.Context, told io.Writer, first time.Time) error {
	h.quit()
	<-h.done
	h.hub.Close()
	for _, stop := range h.stop {
		stop()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), historyClose)
	defer cancel()
	old := h.out.CheckAge(ctx, first) // before the pump closes the connection
	err := h.pump.Close(ctx)
	c := h.pump.Counters()
	fmt.Fprintf(told, "%d spans stored in %s\n", c.Written, h.where())
	if lost := c.Lost(); lost > 0 && err == nil {
		err = fmt.Errorf("%d spans could not be stored: %w", lost, c.LastError)
	}
	if old != nil && c.Written > 0 {
		fmt.Fprintln(h.warn, "pitot: warning:", old)
	}
	return errors.Join(err, h.release(ctx))
}

// where names the store without what a DSN may hold beside.
func (h *history) where() string {
	if h.store != nil {
		return "the embedded store (pitot sql asks it)"
	}
	if u, err := url.Parse(h.dsn); err == nil {
		return u.Host
	}
	return "the store"
}

func (h *history) release(ctx context.Context) error {
	if h.store == nil {
		return nil
	}
	return h.store.Close(ctx)
}
