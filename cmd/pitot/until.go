package main

import (
	"context"
	"io"
)

const untilBuffer = 256 << 10 // bytes of one read

// untilDone is a reader whose reads end with ctx, whatever it reads from. A read of
// a pipe on which nothing comes cannot be ended: it is left behind and ends
// with the process.
type untilDone struct {
	ctx  context.Context
	from io.Reader
	buf  []byte
	rest []byte // of buf, not yet taken
	err  error  // that came with rest
	took chan readDone
}

type readDone struct {
	n   int
	err error
}

func readUntil(ctx context.Context, from io.Reader) *untilDone {
	return &untilDone{ctx: ctx, from: from, buf: make([]byte, untilBuffer), took: make(chan readDone, 1)}
}

func (u *untilDone) Read(p []byte) (int, error) {
	if len(u.rest) == 0 && u.err == nil {
		u.fill()
	}
	n := copy(p, u.rest)
	if u.rest = u.rest[n:]; len(u.rest) > 0 {
		return n, nil
	}
	return n, u.err
}

func (u *untilDone) fill() {
	if u.err = u.ctx.Err(); u.err != nil {
		return
	}
	go func() {
		n, err := u.from.Read(u.buf)
		u.took <- readDone{n, err}
	}()
	select {
	case got := <-u.took:
		u.rest, u.err = u.buf[:got.n], got.err
	case <-u.ctx.Done():
		u.err = u.ctx.Err() // buf belongs to the read left behind
	}
}
