package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/builtin"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/admin"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/store/launch"
	"github.com/pitot-io/pitot/tap"
)

// outputs are the sinks of a live run, each behind a subscription and a pump.
type outputs struct {
	hub   *tap.Hub
	log   *slog.Logger
	store *launch.Keeper // nil unless the store is the embedded one
	stay  bool           // the store keeps its retention: it is not for this run to say

	mu  sync.Mutex // guards all: the admin port may ask before everything is open
	all []output
}

type output struct {
	name string
	sub  *tap.Subscription
	pump *sink.Pump
}

// subscriptionQueue is how many batches wait before a pump, which has a larger
// queue of its own.
const subscriptionQueue = 256

// open opens every sink that cfg asks for. Without the embedded engine a run
// goes on without history, and says so.
func (o *outputs) open(ctx context.Context, cfg *config.Config, stdout io.Writer) error {
	opts := builtin.SinkOptions{StoreTTL: cfg.Store.TTL, Stay: o.stay, Version: versionText(), Absent: o.storeAbsent, JSONFile: cfg.Sinks.JSON.File, Stdout: stdout}
	var err error
	if opts.StoreDSN, err = o.openStore(ctx, cfg.Store); err != nil {
		return err
	}
	for _, kind := range builtin.Sinks() {
		s, err := kind.Open(ctx, opts)
		if err != nil {
			return err
		}
		if s != nil {
			o.start(kind, s)
		}
	}
	return nil
}

// storeAbsent says that the store is waited for: traffic goes on without it.
func (o *outputs) storeAbsent(why error) {
	o.log.Warn("what is seen waits until the store is there, as much as the queue holds", "error", why)
}

// openStore gives the DSN of the store, "" when there is to be none.
func (o *outputs) openStore(ctx context.Context, c config.Store) (dsn string, err error) {
	switch c.DSN {
	case config.None:
		return "", nil
	case config.Embedded:
		return o.openEmbedded(ctx, launch.Options{Listen: c.Listen, Data: c.Data})
	}
	return c.DSN, nil
}

// openEmbedded goes on without the engine, and says so once.
func (o *outputs) openEmbedded(ctx context.Context, options launch.Options) (dsn string, err error) {
	o.store, err = openEmbedded(ctx, options, o.log)
	if engineMissing(err) {
		o.log.Warn("no history is kept", "why", err, "quiet", "--store none")
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return o.store.DSN(), nil
}

func (o *outputs) start(kind builtin.SinkKind, s sink.Sink) {
	kind.Pump.Name = kind.Name
	sub := o.hub.Subscribe(kind.Name, subscriptionQueue, false)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, output{kind.Name, sub, sink.NewPump(s, sub.C(), kind.Pump)})
}

// finishWithin bounds how long the end of a run waits for its sinks.
const finishWithin = 20 * time.Second

// finish writes what is left and closes all. Nobody publishes any more.
func (o *outputs) finish(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	o.hub.Close()
	for _, out := range o.all {
		err = errors.Join(err, out.pump.Close(ctx))
		c := out.pump.Counters()
		o.log.Info("sink closed", "sink", out.name, "written", c.Written, "failed", c.Failed, "dropped", out.sub.Dropped()+c.Dropped)
	}
	if o.store != nil {
		err = errors.Join(err, o.store.Close(ctx))
	}
	return err
}

// stats are the numbers of every sink, for the admin port.
func (o *outputs) stats() (all []admin.SinkStats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, out := range o.all {
		c := out.pump.Counters()
		all = append(all, admin.SinkStats{
			Name: out.name, Taken: out.sub.Taken(), Written: c.Written,
			Dropped: out.sub.Dropped() + c.Dropped, Failed: c.Failed, Retried: c.Retries,
		})
	}
	return all
}

// watch tells, once a second and until ctx is done, what subscribers had to
// drop, and when a sink begins to fail and works again.
func (o *outputs) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	told, failing := map[string]uint64{}, map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			o.tellLoss(told)
			return
		case <-tick.C:
			o.tellLoss(told)
			o.tellFailures(failing)
		}
	}
}

func (o *outputs) tellLoss(told map[string]uint64) {
	for _, s := range o.stats() {
		lost := s.Dropped + s.Failed
		if lost == told[s.Name] {
			continue
		}
		o.hub.Publisher(0).Notice(&event.Notice{
			Time: time.Now().UnixNano(), Name: event.EventLoss, Severity: event.Warn,
			Body: fmt.Sprintf("%d exchanges did not get to %s", lost-told[s.Name], s.Name),
			Attributes: []event.KeyValue{
				{Key: "place", Value: s.Name},
				{Key: "lost", Value: strconv.FormatUint(lost-told[s.Name], 10)},
				{Key: "lost_total", Value: strconv.FormatUint(lost, 10)},
			},
		})
		told[s.Name] = lost
	}
}

// whatFailed says what becomes of what a sink is to get.
func whatFailed(err error) string {
	if sink.IsPermanent(err) {
		return "sink refuses; what it was given is lost, and counted as failed"
	}
	return "sink fails; what it is to get waits"
}

func (o *outputs) tellFailures(failing map[string]bool) {
	for _, out := range o.all {
		switch err := out.pump.Counters().LastError; {
		case err != nil && !failing[out.name]:
			o.log.Warn(whatFailed(err), "sink", out.name, "error", err)
		case err == nil && failing[out.name]:
			o.log.Info("sink works again", "sink", out.name)
		}
		failing[out.name] = out.pump.Counters().LastError != nil
	}
}
