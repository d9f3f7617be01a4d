package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/internal/builtin"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tap"
)

// replayFlags are the flags of pitot replay as they were given.
type replayFlags struct {
	json      bool
	jsonFile  string
	capture   string
	services  []string
	filter    string
	speed     string
	shiftTime string
}

func replayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Decode captured traffic: pcap and pcapng files",
		Long: "Decode captured traffic: pcap and pcapng files, also compressed by gzip or zstd; - is standard input.\n" +
			"Several files are merged in order of time. Times are those of the capture, whatever the speed.",
		Example: "  pitot replay capture.pcap\n  pitot replay a.pcap b.pcapng --json --filter 'status>=500'\n  tcpdump -w - -i lo | pitot replay - --json",
		Args:    usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, files []string) error {
			o, err := f.options(files)
			if err != nil {
				return err
			}
			o.Stdin = c.InOrStdin()
			return runReplay(c.Context(), o, &f, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fl := c.Flags()
	fl.BoolVar(&f.json, "json", false, "print spans and events as JSON Lines, and nothing else")
	fl.StringVar(&f.jsonFile, "json-file", "", "write spans and events as JSON Lines to this `file`")
	fl.StringVar(&f.capture, "capture", "", "`label` stored with every span, to compare captures")
	fl.StringSliceVar(&f.services, "services", nil, "names of services, as `addr=name`: 10.0.0.7:8080=shop,10.0.1.0/24=orders")
	fl.StringVar(&f.filter, "filter", "", "keep the spans that fit this `expression`")
	fl.StringVar(&f.speed, "speed", "max", "max, or a multiple of the capture's pace: 1x, 4x")
	fl.StringVar(&f.shiftTime, "shift-time", "keep", "keep the capture's times, or begin now")
	return c
}

// options reads the flags; what cannot be is the user's mistake.
func (f *replayFlags) options(files []string) (o tap.ReplayOptions, err error) {
	o = tap.ReplayOptions{Files: files, Protocols: builtin.Protocols(), Capture: f.capture}
	if o.Speed, err = tap.ParseSpeed(f.speed); err != nil {
		return o, usagef("--speed: %w", err)
	}
	switch f.shiftTime {
	case "keep":
	case "now":
		o.ShiftTo = time.Now().UnixNano()
	default:
		return o, usagef("--shift-time %q is unknown: say keep or now", f.shiftTime)
	}
	if o.Names, err = serviceNames(f.services); err != nil {
		return o, err
	}
	return o, onceStdin(files)
}

func onceStdin(files []string) error {
	n := 0
	for _, f := range files {
		if f == "-" {
			n++
		}
	}
	if n > 1 {
		return usagef("standard input (-) can be read once only")
	}
	return nil
}

// serviceNames reads address=name pairs.
func serviceNames(pairs []string) (tap.Names, error) {
	s := new(config.Services)
	for _, pair := range pairs {
		address, name, ok := strings.Cut(pair, "=")
		if !ok || name == "" || !s.Add(address, name) {
			return nil, usagef("--services %q is not address=name; an address is as 10.0.0.7:8080, 10.0.0.7 or 10.0.0.0/8", pair)
		}
	}
	return s, nil
}

// runReplay replays with everything that the flags ask for, and tells how it
// went: to stderr, or to stdout when that is not taken by spans.
func runReplay(ctx context.Context, o tap.ReplayOptions, f *replayFlags, stdout, stderr io.Writer) error {
	keep, err := filter.Parse(f.filter)
	if err != nil {
		return usagef("--filter: %w", err)
	}
	var outs emitters
	var lines []*jsonLines
	if f.json {
		lines = append(lines, newJSONLines(stdout))
	}
	if f.jsonFile != "" {
		file, err := os.Create(f.jsonFile)
		if err != nil {
			return fmt.Errorf("--json-file: %w", err)
		}
		defer file.Close() // errors of writing are told by flush
		lines = append(lines, newJSONLines(file))
	}
	for _, l := range lines {
		outs = append(outs, l)
	}
	var table *summary
	if !f.json {
		table = newSummary()
		outs = append(outs, table)
	}
	o.Out = outs.filtered(keep, f.filter != "")
	o.Warn = func(err error) { fmt.Fprintln(stderr, "pitot: warning:", err) }
	began := time.Now()
	sum, err := tap.Replay(ctx, o)
	for _, l := range lines {
		err = errors.Join(err, l.flush())
	}
	told := stderr
	if table != nil {
		told = stdout
		table.print(stdout)
	}
	tellReplay(told, &sum, time.Since(began))
	return err
}

// tellReplay prints what was met, and what was lost where.
func tellReplay(w io.Writer, s *tap.Summary, took time.Duration) {
	fmt.Fprintf(w, "%d exchanges on %d connections in %d packets, %s (%s captured) in %s\n",
		s.Exchanges, s.TCP.Connections, s.Packets, size(s.Bytes), time.Duration(s.Last-s.First).Round(time.Millisecond), took.Round(time.Millisecond))
	for _, l := range []struct {
		n    uint64
		what string
	}{
		{s.TCP.Gaps, fmt.Sprintf("gaps, %s missing", size(s.TCP.Missing))},
		{s.Cut, "packets cut by the capture's snapshot length"},
		{s.Failures, "connections whose decoder lost its place"},
		{s.Packet.Broken, "packets with broken headers"},
		{s.Packet.Unknown, fmt.Sprintf("packets of a link layer that is not known (LINKTYPE %d)", s.Packet.UnknownLink)},
		{s.Packet.Fragments, fmt.Sprintf("IP fragments, %d datagrams made whole", s.Packet.Reassembled)},
		{s.TCP.Stray, "segments out of every window"},
		{s.TCP.Evicted, "connections given up for want of room"},
		{s.Clamped, "packets with a time before the packet before"},
	} {
		if l.n > 0 {
			fmt.Fprintf(w, "  %d %s\n", l.n, l.what)
		}
	}
}

// size is a number of bytes for people.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
