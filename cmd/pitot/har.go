package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/har"
	"github.com/pitot-io/pitot/tap"
)

// maxBodies bounds --bodies: a browser would not open more either.
const maxBodies = 1 << 20

// harFlags are the flags of an HTTP Archive.
type harFlags struct {
	file   string
	bodies string
}

func (f *harFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.file, "har", "", "write HTTP exchanges to this HTTP Archive `file`, with their headers, secrets withheld")
	fl.StringVar(&f.bodies, "bodies", "", "bytes of each body that --har keeps, as a `size` such as 64KiB, at most 1MiB (default none)")
}

// keep is what decoders have to keep for the archive.
func (f *harFlags) keep() (k decode.Keep, err error) {
	if f.bodies != "" {
		n, err := config.ParseSize(f.bodies)
		switch {
		case err != nil:
			return k, usagef("--bodies: %w", err)
		case n < 0 || n > maxBodies:
			return k, usagef("--bodies %s is not from 0 to 1MiB", f.bodies)
		case f.file == "":
			return k, usagef("--bodies says what --har keeps; name a file with --har")
		}
		k.Body = int(n)
	}
	k.Headers = f.file != ""
	return k, nil
}

// open is an emitter into the archive; nil when none is wanted.
func (f *harFlags) open(ctx context.Context) (*sinkEmitter, error) {
	if f.file == "" {
		return nil, nil
	}
	s, err := tap.Until(ctx, func() (*har.Sink, error) { return har.Create(f.file, versionText()) })
	if err != nil {
		return nil, err
	}
	return &sinkEmitter{ctx: ctx, sink: s}, nil
}

// sinkEmitter writes what it is given to a sink that needs no pump: a file that
// takes what comes. After the first error it writes nothing more; finish tells
// of it.
type sinkEmitter struct {
	ctx   context.Context
	sink  sink.Sink
	batch event.Batch
	held  int // bytes of bodies in batch
	err   error
}

// maxHeld is how many bytes of bodies a batch may hold.
const maxHeld = 1 << 20

func (s *sinkEmitter) Exchange(x *event.Exchange) {
	s.batch.Exchange(x)
	if x.HTTP != nil && x.HTTP.Detail != nil {
		s.held += len(x.HTTP.Detail.RequestBody) + len(x.HTTP.Detail.ResponseBody)
	}
	if x.WebSocket != nil {
		for i := range x.WebSocket.Messages {
			s.held += len(x.WebSocket.Messages[i].Data)
		}
	}
	s.flush(s.batch.Full() || s.held >= maxHeld)
}

func (s *sinkEmitter) Notice(n *event.Notice) {
	s.batch.Notice(n)
	s.flush(s.batch.Full())
}

func (s *sinkEmitter) flush(now bool) {
	if !now {
		return
	}
	if s.err == nil {
		s.err = s.sink.Write(s.ctx, []*event.Batch{&s.batch})
	}
	s.batch.Reset()
	s.held = 0
}

func (s *sinkEmitter) finish() error {
	s.flush(true)
	if err := s.sink.Close(); s.err == nil {
		return err
	}
	return s.err
}
