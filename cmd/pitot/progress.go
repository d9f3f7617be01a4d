package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/charmbracelet/x/term"

	"github.com/pitot-io/pitot/tap"
)

const (
	progressAfter = time.Second // a replay that is done sooner shows none
	progressEvery = 250 * time.Millisecond
)

// progress draws a line about r on w every now and then, until it is stopped,
// which wipes it. It draws nothing where w is no terminal, or where out is one
// too and gets lines of its own meanwhile.
func progress(ctx context.Context, r *tap.Replay, w, out io.Writer, lines bool) (stop func()) {
	if !onTerminal(w) || lines && onTerminal(out) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var drawn sync.WaitGroup
	drawn.Go(func() { draw(ctx, r, w, time.Now()) })
	return func() { cancel(); drawn.Wait() }
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

func draw(ctx context.Context, r *tap.Replay, w io.Writer, began time.Time) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-ctx.Done():
			if shown {
				fmt.Fprint(w, "\r\x1b[K")
			}
			return
		case now := <-tick.C:
			if took := now.Sub(began); took >= progressAfter {
				taken, size := r.Progress()
				fmt.Fprint(w, "\r\x1b[K", progressLine(taken, size, took))
				shown = true
			}
		}
	}
}

const progressCells = 24 // of the bar

// progressLine is less than 80 cells wide. Of a pipe nobody knows the size.
func progressLine(taken, size int64, took time.Duration) string {
	rate := float64(taken) / took.Seconds()
	if size <= 0 || taken > size {
		return fmt.Sprintf("%s read, %s/s", humanSize(taken), humanSize(int64(rate)))
	}
	bar := make([]byte, progressCells)
	for i := range bar {
		bar[i] = ' '
		if int64(i) < taken*progressCells/size {
			bar[i] = '='
		}
	}
	left := "?"
	if rate > 0 {
		left = time.Duration(float64(size-taken) / rate * float64(time.Second)).Round(time.Second).String()
	}
	return fmt.Sprintf("[%s] %3d%% of %s, %s/s, %s left", bar, taken*100/size, humanSize(size), humanSize(int64(rate)), left)
}

func humanSize(n int64) string { return size(uint64(max(0, n))) }
