package main

import (
	"context"
	"io"
	"os"
	"sync"

	"github.com/charmbracelet/x/term"

	"github.com/pitot-io/pitot/internal/status"
	"github.com/pitot-io/pitot/tap"
	"github.com/pitot-io/pitot/tui"
)

// screenQueue is how many batches wait for the screen; it reads all the time.
const screenQueue = 256

// screen shows what this process sees in the terminal: the --top of proxy and
// replay. It subscribes when it is made, so that nothing is missed.
type screen struct {
	sub     *tap.Subscription
	options tui.Options
	lookout *lookout // at this process's clusters; nil where there are none
}

// over has the screen show the clusters that told tells of.
func (s *screen) over(told func() status.Clusters) *screen {
	s.lookout = &lookout{ask: func(context.Context) (*status.Clusters, error) { c := told(); return &c, nil }}
	s.options.Clusters = s.lookout.clusters
	return s
}

// newScreen subscribes to hub. A replay waits for its screen, live traffic
// never does.
func newScreen(hub *tap.Hub, title string, replay bool, stdin io.Reader, stdout io.Writer) *screen {
	sub := hub.Subscribe("top", screenQueue, replay)
	loss := func() tui.LossCounters { return tui.LossCounters{Queue: sub.Dropped()} }
	return &screen{sub, tui.Options{Batches: sub.C(), Title: title, Replay: replay, Loss: loss, Input: stdin, Output: stdout}, nil}
}

// show runs until the user leaves or ctx is done.
func (s *screen) show(ctx context.Context) error {
	defer s.sub.Close() // frees a replay that waits for us
	if s.lookout != nil {
		inner, cancel := context.WithCancel(ctx)
		var looking sync.WaitGroup
		looking.Go(func() { s.lookout.run(inner) })
		defer looking.Wait()
		defer cancel()
	}
	return tui.Run(ctx, s.options)
}

// needTerminal tells a user of --top before anything starts that there is no
// terminal to draw on.
func needTerminal(stdout io.Writer) error {
	if f, ok := stdout.(*os.File); ok && term.IsTerminal(f.Fd()) {
		return nil
	}
	return usagef("--top draws on a terminal and standard output is none; leave --top out, or attach with pitot top --plain")
}

// heldBytes bounds what a heldLog keeps: the newest lines count.
const heldBytes = 64 << 10

// heldLog keeps log lines back while a screen is drawn, which they would
// paint over.
type heldLog struct {
	mu   sync.Mutex
	text []byte
}

func (h *heldLog) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, p...)
	if over := len(h.text) - heldBytes; over > 0 {
		h.text = append(h.text[:0], h.text[over:]...)
	}
	return len(p), nil
}

// release writes what was kept.
func (h *heldLog) release(w io.Writer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, _ = w.Write(h.text) // standard error: there is nobody else to tell
	h.text = nil
}
