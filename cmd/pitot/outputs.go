package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/admin"
	"github.com/pitot-io/pitot/tap"
)

// outputs are the places that what a live run sees is written to.
type outputs struct {
	mu    sync.Mutex // guards json: the admin port may ask before all is open
	json  *liveJSON
	close []func() error
}

// open starts what the configuration asks for. stop is told when an output
// that the run is for cannot go on.
func (o *outputs) open(_ context.Context, cfg *config.Config, hub *tap.Hub, stdout io.Writer, _ *slog.Logger, stop func(error)) error {
	if cfg.Sinks.JSON.File == "" {
		return nil
	}
	w := stdout
	if name := cfg.Sinks.JSON.File; name != "-" {
		f, err := os.Create(name)
		if err != nil {
			return fmt.Errorf("sinks.json.file (--json-file): %w", err)
		}
		o.close = append(o.close, f.Close)
		w = f
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.json = startJSON(hub, w, stop)
	return nil
}

// finish writes what is left and closes all. Nobody publishes any more.
func (o *outputs) finish(hub *tap.Hub) (err error) {
	hub.Close()
	if o.json != nil {
		err = o.json.wait()
	}
	for _, c := range o.close {
		err = errors.Join(err, c())
	}
	return err
}

func (o *outputs) stats() (all []admin.SinkStats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.json != nil {
		all = append(all, o.json.stats())
	}
	return all
}

// liveJSON writes JSON Lines of a live run. What it cannot take in time is
// dropped, and said.
type liveJSON struct {
	sub     *tap.Subscription
	lines   *jsonLines
	written atomic.Uint64
	told    uint64 // of the loss
	done    chan error
}

// jsonQueue is how many batches wait to be written.
const jsonQueue = 1024

func startJSON(hub *tap.Hub, w io.Writer, stop func(error)) *liveJSON {
	j := &liveJSON{sub: hub.Subscribe("json", jsonQueue, false), lines: newJSONLines(w), done: make(chan error, 1)}
	go func() {
		err := j.run()
		if err != nil {
			stop(err)
		}
		j.done <- err
	}()
	return j
}

func (j *liveJSON) run() error {
	defer j.sub.Close()
	for b := range j.sub.C() {
		for i := range b.Exchanges {
			j.lines.Exchange(&b.Exchanges[i])
		}
		for i := range b.Notices {
			j.lines.Notice(&b.Notices[i])
		}
		j.loss()
		if len(j.sub.C()) == 0 { // somebody may be watching: do not keep it back
			if err := j.lines.flush(); err != nil {
				return fmt.Errorf("write JSON Lines: %w", err)
			}
		}
		j.written.Add(uint64(len(b.Exchanges)))
	}
	j.loss()
	if err := j.lines.flush(); err != nil {
		return fmt.Errorf("write JSON Lines: %w", err)
	}
	return nil
}

// loss tells what was dropped since the last time.
func (j *liveJSON) loss() {
	dropped := j.sub.Dropped()
	if dropped == j.told {
		return
	}
	j.lines.Notice(&event.Notice{
		Time: time.Now().UnixNano(), Name: event.EventLoss, Severity: event.Warn,
		Body: fmt.Sprintf("writing was too slow for %d exchanges", dropped-j.told),
		Attributes: []event.KeyValue{
			{Key: "place", Value: "json"},
			{Key: "lost", Value: strconv.FormatUint(dropped-j.told, 10)},
			{Key: "lost_total", Value: strconv.FormatUint(dropped, 10)},
		},
	})
	j.told = dropped
}

func (j *liveJSON) wait() error { return <-j.done }

func (j *liveJSON) stats() admin.SinkStats {
	return admin.SinkStats{Name: "json", Taken: j.sub.Taken(), Written: j.written.Load(), Dropped: j.sub.Dropped()}
}
