package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tui"
)

// maxLine is the longest line of JSON Lines that is taken, in bytes.
const maxLine = 1 << 20

// feed turns JSON Lines into batches for the terminal. One goroutine fills it.
type feed struct {
	batches chan *event.Batch
	tell    io.Writer // gets every new state as a line; nil: nobody does
	state   atomic.Pointer[string]
	bad     atomic.Uint64 // lines that could not be read
	ended   chan error
}

func newFeed() *feed {
	return &feed{batches: make(chan *event.Batch, 64), ended: make(chan error, 1)}
}

// start runs fill in a goroutine of its own; wait waits for it.
func (f *feed) start(fill func() error) {
	go func() {
		err := fill()
		f.ended <- err
		close(f.batches)
	}()
}

// wait is the error that fill ended with, nil while it goes on and block is
// false: a read of a terminal or pipe on standard input cannot be ended, but
// ends with the process.
func (f *feed) wait(block bool) error {
	if block {
		return <-f.ended
	}
	select {
	case err := <-f.ended:
		return err
	default:
		return nil
	}
}

func (f *feed) loss() tui.LossCounters { return tui.LossCounters{Other: f.bad.Load()} }

func (f *feed) status() string {
	if s := f.state.Load(); s != nil {
		return *s
	}
	return ""
}

// say sets the state; "" when all is well.
func (f *feed) say(s string) {
	if s != "" && s != f.status() && f.tell != nil {
		fmt.Fprintln(f.tell, "pitot:", s)
	}
	f.state.Store(&s)
}

// lines reads until the end of r or of ctx. Strict, a line that is none of
// ours is an error; else it is counted as lost.
func (f *feed) lines(ctx context.Context, r io.Reader, name string, strict bool) error {
	in := bufio.NewReaderSize(r, 64<<10)
	batch := new(event.Batch)
	for n := 1; ; n++ {
		line, err := readLine(in)
		if len(line) > 0 {
			if wrong := add(batch, line); wrong != nil && strict {
				return fmt.Errorf("%s, line %d: %w", name, n, wrong)
			} else if wrong != nil {
				f.bad.Add(1)
			}
		}
		if batch.Full() || batch.Len() > 0 && (err != nil || in.Buffered() == 0) {
			if !f.send(ctx, batch) {
				return nil
			}
			batch = new(event.Batch)
		}
		switch {
		case errors.Is(err, io.EOF) || err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// readLine is bufio's ReadBytes with an end to how long a line may be.
func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		if len(line) > maxLine {
			return nil, fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
	}
}

func add(b *event.Batch, line []byte) error {
	x, n, err := event.ParseJSON(line)
	switch {
	case err != nil:
		return err
	case x != nil:
		b.Exchange(x)
	default:
		b.Notice(n)
	}
	return nil
}

func (f *feed) send(ctx context.Context, b *event.Batch) bool {
	select {
	case f.batches <- b:
		return true
	case <-ctx.Done():
		return false
	}
}
