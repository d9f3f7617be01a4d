// Package tui shows events in a terminal: services, the newest exchanges,
// MongoDB by collection and call site, a proxy's clusters, and what was decided
// or went wrong. One goroutine applies batches to a store;
// a few times a second the screen takes a snapshot of it. No message is ever
// sent for a single event.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/internal/status"
	"github.com/pitot-io/pitot/tui/store"
)

// Options say what to show and where. Only Batches is needed.
type Options struct {
	Batches  <-chan *event.Batch     // read until it is closed or Run returns
	Title    string                  // what is watched
	Loss     func() LossCounters     // what did not get as far as Batches; nil: nothing is lost
	Clusters func() *status.Clusters // as told last, another one each time it was told; nil, or giving nil: none
	Status   func() string           // a sentence while something is wrong with the source, else ""
	Filter   *filter.Filter
	Replay   bool         // traffic of the past: its clock is the newest exchange's
	Plain    bool         // a line per event instead of a screen
	ASCII    bool         // no block or line characters
	NoMouse  bool         // leave the mouse to the terminal, so that it selects text
	Store    *store.Store // to fill; nil: one of its own

	Input  io.Reader      // nil: the standard input
	Output io.Writer      // nil: the standard output
	Zone   *time.Location // of the times shown; nil: local
	Every  time.Duration  // between snapshots; 0: 200 ms
	Now    func() time.Time

	Width, Height int // of an Output that is no file and cannot be asked
}

// ErrNoTerminal says that a screen was asked for where there is none.
var ErrNoTerminal = errors.New("the output is no terminal; use --plain for a line per event")

// LossCounters count exchanges and packets that were not seen, since the start.
type LossCounters struct {
	Queue  uint64 // exchanges that a full queue before the screen dropped
	Kernel uint64 // packets that the kernel dropped
	Other  uint64 // anything else
}

// Sum is all of it.
func (l LossCounters) Sum() uint64 { return l.Queue + l.Kernel + l.Other }

func (o Options) withDefaults() Options {
	if o.Store == nil {
		o.Store = store.New(store.DefaultLimits())
	}
	if o.Loss == nil {
		o.Loss = func() LossCounters { return LossCounters{} }
	}
	if o.Status == nil {
		o.Status = func() string { return "" }
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Every <= 0 {
		o.Every = 200 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	return o
}

// Run shows o.Batches until the user quits or ctx is done, and gives the
// terminal back as it was. Plain, it also ends when Batches is closed.
func Run(ctx context.Context, o Options) error {
	o = o.withDefaults()
	if o.Plain {
		return runPlain(ctx, o)
	}
	if f, ok := o.Output.(*os.File); ok && !term.IsTerminal(f.Fd()) {
		return ErrNoTerminal
	}
	inner, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.Store.Consume(inner, o.Batches)
	}()
	defer func() { cancel(); <-ended }()
	_, err := tea.NewProgram(newModel(o, ended), programOptions(ctx, o)...).Run()
	if err != nil && ctx.Err() != nil && errors.Is(err, tea.ErrProgramKilled) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	return nil
}

// framesPerSecond is how often a change is looked for: it costs even when there
// is none, and keys need no more.
const framesPerSecond = 30

func programOptions(ctx context.Context, o Options) []tea.ProgramOption {
	opts := []tea.ProgramOption{tea.WithContext(ctx), tea.WithOutput(o.Output), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond)}
	if o.Input != nil {
		opts = append(opts, tea.WithInput(o.Input))
	}
	if o.Width > 0 && o.Height > 0 {
		opts = append(opts, tea.WithWindowSize(o.Width, o.Height))
	}
	return opts
}
