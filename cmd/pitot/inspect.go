package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/internal/inspect"
)

// inspectFlags are the flags of pitot inspect as they were given.
type inspectFlags struct {
	input   replayFlags // what is read, and how it is decoded
	streams []int64
	filter  string
	time    string
	explain bool
	hex     bool
	json    bool
}

func inspectCommand() *cobra.Command {
	f := inspectFlags{input: replayFlags{speed: "max", shiftTime: "keep"}}
	c := &cobra.Command{
		Use:   "inspect FILE...",
		Short: "Show what the decoders see in a capture, message by message",
		Long: "Show what the decoders see in a capture, message by message: time, TCP stream,\n" +
			"direction, byte offset in that direction, bytes, protocol, kind and id of the\n" +
			"message, and what it says. Files are read as replay reads them; - is standard\n" +
			"input.\n" +
			"--explain adds every exchange, and why it got its decode flags.",
		Example: "  pitot inspect capture.pcap\n  pitot inspect capture.pcap --stream 3 --hex\n  pitot inspect capture.pcap --explain --filter '-decode:\"\"'",
		Args:    usageArgs(someFiles),
		RunE: func(c *cobra.Command, files []string) error {
			return f.run(c.Context(), files, readUntil(c.Context(), c.InOrStdin()), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fl := c.Flags()
	fl.Int64SliceVar(&f.streams, "stream", nil, "show only TCP stream `N`; also several: 0,7")
	fl.StringVar(&f.filter, "filter", "", "show only messages of exchanges that fit this `expression`")
	fl.StringVar(&f.time, "time", "relative", "relative (seconds since the first packet) or absolute (UTC)")
	fl.BoolVar(&f.explain, "explain", false, "show every exchange, and why it got its decode flags")
	fl.BoolVar(&f.hex, "hex", false, "show the first bytes of every message: what is in it is not redacted")
	fl.BoolVar(&f.json, "json", false, "print an object per line, and nothing else")
	f.input.reading(fl)
	return c
}

// run shows the files.
func (f *inspectFlags) run(ctx context.Context, files []string, stdin io.Reader, stdout, stderr io.Writer) error {
	o, err := f.options(stdout)
	if err != nil {
		return err
	}
	in := inspect.New(stdout, o)
	replay, err := f.input.options(ctx, files)
	if err != nil {
		return err
	}
	replay.Stdin, replay.Watch = stdin, in.Watch
	replay.Warn = func(err error) { fmt.Fprintln(stderr, "pitot: warning:", err) }
	replay.Secrets = f.input.keys.captured(replay.Warn)
	stop, err := f.input.keys.open(replay.Warn)
	if err != nil {
		return err
	}
	defer stop()
	r, err := openUntil(ctx, replay)
	if err != nil {
		return err
	}
	defer r.Close()
	in.SetClock(r)
	sum, err := r.Run(ctx, in)
	shown, forgot, wrote := in.Finish()
	if errors.Is(wrote, syscall.EPIPE) {
		return nil // who read it has seen enough
	}
	fmt.Fprintf(stderr, "%d messages shown of %d connections in %d packets\n", shown, sum.TCP.Connections, sum.Packets)
	if forgot > 0 {
		fmt.Fprintf(stderr, "  %d messages were too many to wait until their exchange was known; --stream N shows all of one connection\n", forgot)
	}
	return errors.Join(err, wrote)
}

func (f *inspectFlags) options(stdout io.Writer) (o inspect.Options, err error) {
	o = inspect.Options{Streams: f.streams, Explain: f.explain, Hex: f.hex, JSON: f.json}
	switch f.time {
	case "relative":
	case "absolute":
		o.Absolute = true
	default:
		return o, usagef("--time %q is unknown: say relative or absolute", f.time)
	}
	if f.filter != "" {
		if o.Filter, err = parseFilter(f.filter); err != nil {
			return o, err
		}
	}
	if out, ok := stdout.(*os.File); ok && term.IsTerminal(out.Fd()) {
		if cells, _, err := term.GetSize(out.Fd()); err == nil {
			o.Width = cells
		}
	}
	return o, nil
}
