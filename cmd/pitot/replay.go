package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pitot-io/pitot/internal/builtin"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
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
	store     string

	workers     int
	overlap     string
	connections int
	commentText string
	grpc        grpcFlags
	har         harFlags
	pcapng      string
	keys        keyFlags
	top         bool
}

func replayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Decode captured traffic: pcap and pcapng files",
		Long: "Decode captured traffic: pcap and pcapng files, also compressed by gzip or zstd;\n" +
			"- is standard input. Several files are merged in order of time. Times are those\n" +
			"of the capture, whatever the speed.",
		Example: "  pitot replay capture.pcap\n  pitot replay a.pcap b.pcapng --json --filter 'status>=500'\n  tcpdump -w - -i lo | pitot replay - --json\n  pitot replay capture.pcap --json --har out.har --bodies 64KiB",
		Args:    usageArgs(someFiles),
		RunE: func(c *cobra.Command, files []string) error {
			o, err := f.options(c.Context(), files)
			if err != nil {
				return err
			}
			o.Stdin = readUntil(c.Context(), c.InOrStdin())
			if f.top {
				return f.underScreen(c.Context(), o, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
			}
			return runReplay(c.Context(), o, &f, nil, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fl := c.Flags()
	fl.BoolVar(&f.json, "json", false, "print spans and events as JSON Lines, and nothing else")
	fl.StringVar(&f.jsonFile, "json-file", "", "write spans and events as JSON Lines to this `file`")
	f.reading(fl)
	fl.StringVar(&f.capture, "capture", "", "`label` stored with every span, to compare captures")
	f.har.add(fl)
	fl.StringVar(&f.pcapng, "pcapng", "", "write the packets of the exchanges that fit --filter to this `file`; without it, all of every connection that is decoded")
	fl.StringVar(&f.filter, "filter", "", "keep the spans that fit this `expression`")
	fl.IntVar(&f.workers, "workers", 0, "`number` of workers that connections are spread over, at most 16; 0: as many as there are CPUs")
	fl.StringVar(&f.speed, "speed", "max", "max, or a multiple of the capture's pace: 1x, 4x")
	fl.StringVar(&f.shiftTime, "shift-time", "keep", "keep the capture's times, or begin now")
	fl.BoolVar(&f.top, "top", false, "watch it in this terminal")
	fl.StringVar(&f.store, "store", "", "keep history in this store: embedded, none, or a `DSN` as http://HOST:8123 (default embedded; none with --json, --json-file or --har)")
	return c
}

// reading adds the flags that say how captures are read, whoever shows them.
func (f *replayFlags) reading(fl *pflag.FlagSet) {
	fl.StringSliceVar(&f.services, "services", nil, "names of services, as `addr=name`: 10.0.0.7:8080=shop,10.0.1.0/24=orders")
	fl.StringVar(&f.commentText, "comment-text", "short", "how much free text of MongoDB comments is kept: off, short (128 bytes) or full")
	f.grpc.add(fl)
	f.keys.add(fl)
	fl.IntVar(&f.connections, "connections", tap.DefaultReplayLimits().TCP.Connections, "`number` of connections followed at a time, which bounds memory; the longest silent makes room")
	fl.StringVar(&f.overlap, "overlap", "first", "whose bytes count where TCP segments that wait overlap: the first's or the last's")
}

// options reads the flags; what cannot be is the user's mistake.
func (f *replayFlags) options(ctx context.Context, files []string) (o tap.ReplayOptions, err error) {
	if f.workers < 0 {
		return o, usagef("--workers %d is no number of workers; 0 takes as many as there are CPUs", f.workers)
	}
	o = tap.ReplayOptions{Files: files, Capture: f.capture, Workers: f.workers}
	if o.Keep, err = f.har.keep(); err != nil {
		return o, err
	}
	calls, err := f.grpc.options(ctx)
	if err != nil {
		return o, err
	}
	if o.Protocols, err = builtin.Protocols(builtin.ProtocolOptions{CommentText: f.commentText, GRPC: calls, Keys: f.keys.make(f.pcapng != "")}); err != nil {
		return o, usagef("--comment-text: %w", err)
	}
	if o.Speed, err = tap.ParseSpeed(f.speed); err != nil {
		return o, usagef("--speed: %w", err)
	}
	o.Limits = tap.DefaultReplayLimits()
	if o.Limits.TCP.Connections = f.connections; f.connections < 1 {
		return o, usagef("--connections %d: at least one connection has to be followed", f.connections)
	}
	switch f.overlap {
	case "first":
	case "last":
		o.Limits.TCP.LastWins = true
	default:
		return o, usagef("--overlap %q is unknown: say first or last", f.overlap)
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
	if err := checkStore(f.store); err != nil {
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

// underScreen replays with a screen over it, which stays when the files have
// ended; what there is to say waits until the user has left it.
func (f *replayFlags) underScreen(ctx context.Context, o tap.ReplayOptions, stdin io.Reader, stdout, stderr io.Writer) error {
	switch {
	case f.json:
		return usagef("--top and --json both want standard output; use --json-file")
	case slices.Contains(o.Files, "-"):
		return usagef("--top takes its keys from standard input, so it cannot be the capture; name a file")
	}
	if err := needTerminal(stdout); err != nil {
		return err
	}
	var said, warned heldLog
	defer func() { said.release(stdout); warned.release(stderr) }()
	hub := tap.NewHub(1)
	screen := newScreen(hub, strings.Join(o.Files, " "), true, stdin, stdout)
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	replayed := make(chan error, 1)
	go func() {
		flushing, stop := context.WithCancel(ctx)
		var flusher sync.WaitGroup
		flusher.Go(func() { hub.Run(flushing) })
		err := runReplay(ctx, o, f, hub.Publisher(0), &said, &warned)
		stop()
		flusher.Wait()
		hub.Close()
		replayed <- err
	}()
	err := screen.show(ctx)
	leave()
	if r := <-replayed; !errors.Is(r, context.Canceled) {
		err = errors.Join(err, r)
	}
	return err
}

// runReplay replays with everything that the flags ask for, and into also
// where it is not nil. It tells how it went: to stderr, or to stdout when that
// is not taken by spans.
func runReplay(ctx context.Context, o tap.ReplayOptions, f *replayFlags, also event.Emitter, stdout, stderr io.Writer) error {
	keep, err := parseFilter(f.filter)
	if err != nil {
		return err
	}
	told := stderr
	if !f.json {
		told = stdout
	}
	o.Warn = func(err error) { fmt.Fprintln(stderr, "pitot: warning:", err) }
	o.Secrets = f.keys.captured(o.Warn)
	stop, err := f.keys.open(o.Warn)
	if err != nil {
		return err
	}
	defer stop()
	var packets *export
	if f.pcapng != "" {
		if packets, err = newExport(f.pcapng, o.Files, keep, f.filter != ""); err != nil {
			return err
		}
	}
	r, err := openUntil(ctx, o)
	if err != nil {
		return err
	}
	defer r.Close()
	outs, finish, err := f.outputs(ctx, r.First, stdout, stderr, told)
	if err != nil {
		return err
	}
	if also != nil {
		outs = append(outs, also)
	}
	boundMemory()
	began := time.Now()
	out := outs.filtered(keep, f.filter != "")
	if packets != nil {
		out = emitters{out, packets.selection} // which sees what does not fit too
	}
	wipe := progress(ctx, r, stderr, stdout, f.json)
	sum, err := r.Run(ctx, out)
	wipe()
	took := time.Since(began)
	err = errors.Join(err, finish())
	tellReplay(told, &sum, took)
	if packets != nil && ctx.Err() == nil {
		err = errors.Join(err, packets.write(ctx, o, f.keys.used, told))
	}
	return err
}

// outputs opens everything that exchanges go to; finish writes out and closes
// it. The store comes last: it is the one that others need not wait for. first
// is the time of the first packet, which is known when finish is called.
func (f *replayFlags) outputs(ctx context.Context, first func() int64, stdout, stderr, told io.Writer) (outs emitters, finish func() error, err error) {
	var ends []func() error
	finish = func() (err error) {
		for _, end := range ends {
			err = errors.Join(err, end())
		}
		return err
	}
	switch {
	case f.json:
		l := newJSONLines(stdout)
		outs, ends = append(outs, l), append(ends, l.flush)
	case !f.top: // the screen shows more than the table
		table := newSummary()
		outs, ends = append(outs, table), append(ends, func() error { return table.print(told) })
	}
	if f.jsonFile != "" {
		file, err := createUntil(ctx, f.jsonFile)
		if err != nil {
			return nil, nil, fmt.Errorf("--json-file: %w", err)
		}
		l := newJSONLines(file)
		outs, ends = append(outs, l), append(ends, l.flush, file.Close)
	}
	archive, err := f.har.open(ctx)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("--har: %w", err), finish())
	}
	if archive != nil {
		outs, ends = append(outs, archive), append(ends, archive.finish)
	}
	h, err := openHistory(ctx, f.storeName(), f.store != "", stderr)
	if err != nil {
		return nil, nil, errors.Join(err, finish())
	}
	if h != nil {
		outs, ends = append(outs, h.emitter()), append(ends, func() error { return h.finish(ctx, told, time.Unix(0, first())) })
	}
	return outs, finish, nil
}

// storeName is --store, or what it is by default.
func (f *replayFlags) storeName() string {
	switch {
	case f.store != "":
		return f.store
	case f.json || f.jsonFile != "" || f.har.file != "":
		return storeNone
	}
	return storeEmbedded
}

// tellReplay prints what was met, and what was lost where.
func tellReplay(w io.Writer, s *tap.Summary, took time.Duration) {
	fmt.Fprintf(w, "%d exchanges on %d connections in %d packets, %s (%s captured) in %s\n",
		s.Exchanges, s.TCP.Connections, s.Packets, size(s.Bytes), rough(time.Duration(s.Last-s.First)), rough(took))
	tellCounts(w, []count{
		{s.TCP.Gaps, fmt.Sprintf("gaps, %s missing", size(s.TCP.Missing))},
		{s.Cut, "packets cut by the capture's snapshot length"},
		{s.Failures, "connections whose decoder lost its place"},
		{s.Packet.Broken, "packets with broken headers"},
		{s.Packet.Unknown, fmt.Sprintf("packets of a link layer that is not known (LINKTYPE %d)", s.Packet.UnknownLink)},
		{s.Packet.Fragments, fmt.Sprintf("IP fragments, %d datagrams made whole", s.Packet.Reassembled)},
		{s.TCP.Overlaps, "segments whose bytes differ from those of another"},
		{s.TCP.Stray, "segments out of every window"},
		{s.TCP.Evicted, "connections given up for want of room"},
		{s.Untold, fmt.Sprintf("comments beyond the first %d of their file", tap.DefaultReplayLimits().File.Comments)},
		{s.Clamped, "packets with a time before the packet before"},
	})
}

// rough is d for people: to the millisecond, or what is less than some to the
// microsecond.
func rough(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// count is how often something was met.
type count struct {
	n    uint64
	what string
}

// tellCounts prints what was met at all.
func tellCounts(w io.Writer, all []count) {
	for _, c := range all {
		if c.n > 0 {
			fmt.Fprintf(w, "  %d %s\n", c.n, c.what)
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
