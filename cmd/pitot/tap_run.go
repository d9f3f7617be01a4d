package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/admin"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
	"github.com/pitot-io/pitot/tap/live"
	"github.com/pitot-io/pitot/tui"
)

// run captures until ctx is done, --for is over or the user leaves the screen
// that open makes, and everything that was seen is written.
func (t *tapper) run(ctx context.Context, open func(*tap.Hub) *screen, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	outs := &outputs{hub: tap.NewHub(t.capture.Workers), log: log, stay: true}
	capture, err := tap.Until(ctx, func() (*live.Capture, error) { return t.open(outs.hub, stdout) }) // --write may be a pipe
	if err != nil {
		return err
	}
	defer capture.Close() // nothing more is read; there is nobody to tell
	port, err := t.openAdmin(outs, capture, log)
	if err != nil {
		return err
	}
	if err := outs.open(ctx, t.cfg, stdout); err != nil {
		if port != nil {
			port.Close()
		}
		return errors.Join(err, outs.finish(ctx))
	}
	if err := live.DropPrivileges(); err != nil {
		log.Warn("privileges that are not needed any more could not be dropped", "error", err)
	}
	log.Info("capturing", "interfaces", strings.Join(t.capture.Interfaces, ","), "packets", t.capture.Filter.String(), "workers", capture.Workers())
	serving, served := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() { outs.hub.Run(serving) })
	beside.Go(func() { outs.watch(serving) })
	if port != nil {
		beside.Go(func() { port.Run(serving) })
	}
	table := t.counting(outs.hub)
	ctx, leave := context.WithCancelCause(ctx)
	if t.length > 0 {
		stop := time.AfterFunc(t.length, func() { leave(errOver) })
		defer stop.Stop()
	}
	var shown error
	if open != nil {
		s := open(outs.hub)
		s.options.Loss = t.losses(s.sub, capture)
		beside.Go(func() {
			shown = s.show(ctx)
			leave(errLeft)
		})
	}
	began := time.Now()
	err = capture.Run(ctx)
	leave(nil)
	took := time.Since(began)
	served()
	beside.Wait()
	err = errors.Join(err, shown, outs.finish(ctx), table(stdout))
	tellCapture(t.told(stdout, stderr), capture.Stats(), took)
	return err
}

// errOver is why a capture ended whose time was over.
var errOver = errors.New("--for is over")

// told is who is told how it went: whoever has not to do with spans or packets.
func (t *tapper) told(stdout, stderr io.Writer) io.Writer {
	if t.table {
		return stdout
	}
	return stderr
}

// open opens the interfaces, and the file for their packets.
func (t *tapper) open(hub *tap.Hub, stdout io.Writer) (*live.Capture, error) {
	o := t.capture
	o.Out = func(n int) event.Emitter {
		return emitters{hub.Publisher(int64(n))}.filtered(t.keep, t.filtered)
	}
	if t.record != nil {
		t.record.Stdout = stdout
		o.Record = live.NewRecorder(*t.record)
	}
	capture, err := live.Open(o)
	if errors.Is(err, live.ErrUnnamed) {
		return nil, usageError{err}
	}
	return capture, err
}

// counting fills the table that is printed at the end; the function it returns
// does that, after the hub is closed.
func (t *tapper) counting(hub *tap.Hub) func(io.Writer) error {
	if !t.table {
		return func(io.Writer) error { return nil }
	}
	table := newSummary()
	sub := hub.Subscribe("table", subscriptionQueue, false)
	var done sync.WaitGroup
	done.Go(func() {
		for b := range sub.C() {
			for i := range b.Exchanges {
				table.Exchange(&b.Exchanges[i])
			}
		}
	})
	return func(w io.Writer) error {
		done.Wait()
		return table.print(w)
	}
}

func (t *tapper) losses(sub *tap.Subscription, capture *live.Capture) func() tui.LossCounters {
	return func() tui.LossCounters {
		s := capture.Stats()
		return tui.LossCounters{Queue: sub.Dropped(), Kernel: s.Dropped, Other: s.Unwritten}
	}
}

// openAdmin binds the admin port. Where nobody asked for it and another pitot
// has it, the capture goes on without.
func (t *tapper) openAdmin(outs *outputs, capture *live.Capture, log *slog.Logger) (*admin.Server, error) {
	address := t.cfg.Admin.Address
	if address == config.None {
		return nil, nil
	}
	socket, err := net.Listen("tcp", address)
	if err != nil {
		if !t.adminGiven {
			log.Warn("no admin port: pitot top cannot attach", "why", err, "other", "--admin ADDRESS")
			return nil, nil
		}
		return nil, fmt.Errorf("--admin: %w; choose another address, or none", err)
	}
	if host, ok := socket.Addr().(*net.TCPAddr); !ok || !host.IP.IsLoopback() {
		_ = socket.Close() // it was never used
		return nil, usagef("--admin %s can be reached by other machines and a capture has no token to ask for; use a loopback address", address)
	}
	return admin.New(socket, admin.Options{
		Hub: outs.hub, Sinks: outs.stats, Log: log,
		Listeners:      func() []admin.Listener { return nil },
		Clusters:       func() []*upstream.Cluster { return nil },
		DecodeFailures: func() uint64 { return capture.Stats().Failures },
		Config:         func() ([]byte, error) { return []byte("# pitot tap has no configuration file\n"), nil },
		Draining:       func() bool { return false },
		Capture: func() []admin.Listener {
			return []admin.Listener{{Name: strings.Join(t.capture.Interfaces, ","), Stats: captureStats(capture.Stats())}}
		},
	}), nil
}

// captureStats are the numbers of a capture for the admin port.
func captureStats(s live.Stats) []upstream.Stat {
	return []upstream.Stat{
		{Name: "packets", Value: s.Packets}, {Name: "bytes", Value: s.Bytes}, {Name: "packets_cut", Value: s.Cut},
		{Name: "kernel_dropped", Value: s.Dropped}, {Name: "ring_full", Value: s.Freezes}, {Name: "write_dropped", Value: s.Unwritten},
		{Name: "connections", Value: s.Connections}, {Name: "gaps", Value: s.Gaps}, {Name: "bytes_missing", Value: s.Missing},
		{Name: "evicted", Value: s.Evicted},
	}
}

// tellCapture prints what was seen, and what was lost where.
func tellCapture(w io.Writer, s live.Stats, took time.Duration) {
	fmt.Fprintf(w, "%d exchanges on %d connections in %d packets, %s, in %s; %d packets dropped by the kernel\n",
		s.Exchanges, s.Connections, s.Packets, size(s.Bytes), took.Round(time.Millisecond), s.Dropped)
	tellCounts(w, []count{
		{s.Freezes, "times the ring was full; --ring makes it larger"},
		{s.Unwritten, "packets that could not be written in time"},
		{s.Gaps, fmt.Sprintf("gaps, %s missing", size(s.Missing))},
		{s.Cut, "packets cut by --snaplen"},
		{s.Failures, "connections whose decoder lost its place"},
		{s.Broken, "packets with broken headers"},
		{s.Evicted, "connections given up for want of room"},
	})
}
