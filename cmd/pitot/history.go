package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/clickhouse"
	"github.com/pitot-io/pitot/sink/store/launch"
	"github.com/pitot-io/pitot/sink/store/library"
	"github.com/pitot-io/pitot/tap"
)

// Values of --store beside a DSN.
const (
	storeEmbedded = "embedded"
	storeNone     = "none"
)

const (
	historyQueue    = 256 // batches that wait for the store before the replay does
	historyAttempts = 8   // per block: about a minute with their pauses
	historyClose    = time.Minute
)

// history writes what a replay finds to a store. The replay waits for it.
type history struct {
	hub   *tap.Hub
	sub   *tap.Subscription
	pump  *sink.Pump
	lease *launch.Store // of an embedded store; nil for others
	dsn   string
	stop  []func() bool
	quit  context.CancelFunc
	done  chan struct{}
}

// openHistory connects to the store of that name, and starts the embedded one
// when it is asked for and none runs. Without the engine there is no history:
// warn is told, and nil returned.
func openHistory(ctx context.Context, name string, warn io.Writer) (*history, error) {
	if name == storeNone {
		return nil, nil
	}
	h := &history{dsn: name, done: make(chan struct{})}
	if name == storeEmbedded {
		lease, err := launch.Ensure(ctx, launch.Options{})
		var missing *library.MissingError
		if errors.As(err, &missing) {
			fmt.Fprintf(warn, "pitot: no history is kept: %v\n", err)
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w; --store none goes without", err)
		}
		h.lease, h.dsn = lease, lease.DSN()
	}
	out, err := clickhouse.Open(ctx, clickhouse.DefaultOptions(h.dsn))
	if err != nil {
		return nil, errors.Join(err, h.release(ctx))
	}
	h.begin(ctx, out)
	return h, nil
}

func (h *history) begin(ctx context.Context, out sink.Sink) {
	h.hub = tap.NewHub(1)
	h.sub = h.hub.Subscribe("store", historyQueue, true)
	h.pump = sink.NewPump(out, h.sub.C(), sink.PumpOptions{Name: "store", Attempts: historyAttempts})
	h.stop = append(h.stop, context.AfterFunc(ctx, h.sub.Close)) // so that the replay waits no longer
	ctx, h.quit = context.WithCancel(ctx)
	go func() {
		defer close(h.done)
		h.hub.Run(ctx)
	}()
}

// emitter takes what is to be stored.
func (h *history) emitter() event.Emitter { return h.hub.Publisher(0) }

// finish writes out what is left and says how much was stored.
func (h *history) finish(ctx context.Context, told io.Writer) error {
	h.quit()
	<-h.done
	h.hub.Close()
	for _, stop := range h.stop {
		stop()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), historyClose)
	defer cancel()
	err := h.pump.Close(ctx)
	c := h.pump.Counters()
	fmt.Fprintf(told, "%d spans stored in %s\n", c.Written, h.where())
	if lost := c.Lost(); lost > 0 && err == nil {
		err = fmt.Errorf("%d spans could not be stored: %w", lost, c.LastError)
	}
	return errors.Join(err, h.release(ctx))
}

// where names the store without what a DSN may hold beside.
func (h *history) where() string {
	if h.lease != nil {
		return "the embedded store (pitot sql asks it)"
	}
	if u, err := url.Parse(h.dsn); err == nil {
		return u.Host
	}
	return "the store"
}

func (h *history) release(ctx context.Context) error {
	if h.lease == nil {
		return nil
	}
	return h.lease.Close(ctx)
}
