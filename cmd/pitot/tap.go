package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/internal/builtin"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tap"
	"github.com/pitot-io/pitot/tap/live"
	"github.com/pitot-io/pitot/tap/pcapfile"
	"github.com/pitot-io/pitot/tap/pcapfilter"
)

// tapFlags are the flags of pitot tap as they were given.
type tapFlags struct {
	interfaces  []string
	packets     string // the capture filter
	promiscuous bool
	workers     int
	ring        string
	snapLen     int
	length      time.Duration

	write       string
	rotateSize  string
	rotateEvery time.Duration
	rotateKeep  int

	json        bool
	jsonFile    string
	filter      string
	store       string
	top         bool
	admin       string
	capture     string
	services    []string
	commentText string
	grpc        grpcFlags
	keys        keyFlags
}

func tapCommand() *cobra.Command {
	var f tapFlags
	c := &cobra.Command{
		Use:   "tap",
		Short: "Decode traffic as it passes network interfaces of this machine",
		Long: "Decode traffic as it passes network interfaces of this machine. It needs the\n" +
			"capability CAP_NET_RAW and nothing else: sudo, or once\n" +
			"sudo setcap cap_net_raw=ep PITOT. Nothing waits for it: packets that come too\n" +
			"fast are dropped by the kernel, counted and told. SIGTERM, Ctrl-C or --for ends\n" +
			"it; what is under way is told as it stands.",
		Example: "  pitot tap -i eth0\n  pitot tap -i any -f 'tcp port 27017 and host 10.0.0.7' --json\n" +
			"  pitot tap -i eth0 -i lo --write t.pcapng --rotate-size 100MiB --rotate-keep 10",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stopped := untilHangup(c.Context()) // packets that were captured are still written
			defer stopped()
			t, err := f.tapper(ctx)
			if err != nil {
				return err
			}
			t.adminGiven = c.Flags().Changed("admin")
			stop, err := f.keys.open(f.warn(c.ErrOrStderr()))
			if err != nil {
				return err
			}
			defer stop()
			if f.top {
				return f.underScreen(ctx, t, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
			}
			return t.run(ctx, nil, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fl := c.Flags()
	fl.StringSliceVarP(&f.interfaces, "interface", "i", nil, "`interface` to capture from, as often as wanted; any is all of them")
	fl.StringVarP(&f.packets, "packets", "f", "", "capture only packets that fit this `expression`, as tcpdump takes them: 'tcp port 80'")
	fl.BoolVar(&f.promiscuous, "promiscuous", false, "also capture packets that are for others")
	fl.IntVar(&f.workers, "workers", 0, "how many cores decode (default all)")
	fl.StringVar(&f.ring, "ring", config.Size(live.DefaultRing).String(), "`size` of the memory that the kernel writes packets to")
	fl.IntVar(&f.snapLen, "snaplen", live.DefaultSnapLen, "`bytes` that are kept of a packet")
	fl.DurationVar(&f.length, "for", 0, "end after this `time`, as 10s or 5m")
	fl.StringVar(&f.write, "write", "", "write the packets to this pcapng `file`; - is standard output")
	fl.StringVar(&f.rotateSize, "rotate-size", "", "begin a new file at this `size`, as 100MiB: FILE-00001-YYYYMMDDhhmmss.pcapng")
	fl.DurationVar(&f.rotateEvery, "rotate-time", 0, "begin a new file after this `time`, as 1h")
	fl.IntVar(&f.rotateKeep, "rotate-keep", 0, "keep this `number` of files and remove older ones (default all)")
	fl.BoolVar(&f.json, "json", false, "print spans and events as JSON Lines, and nothing else")
	fl.StringVar(&f.jsonFile, "json-file", "", "add spans and events as JSON Lines to this `file`")
	fl.StringVar(&f.filter, "filter", "", "keep the spans that fit this `expression`")
	fl.StringVar(&f.store, "store", "", "keep history in this store: embedded, none, or a `DSN` as http://HOST:8123 (default embedded; none with --json or --json-file)")
	fl.BoolVar(&f.top, "top", false, "watch it in this terminal; leaving the screen ends the capture")
	fl.StringVar(&f.admin, "admin", "127.0.0.1:9901", "`address` of the admin port, which pitot top attaches to, or none")
	fl.StringVar(&f.capture, "capture", "", "`label` stored with every span, to compare captures")
	fl.StringSliceVar(&f.services, "services", nil, "names of services, as `addr=name`: 10.0.0.7:8080=shop,10.0.1.0/24=orders")
	fl.StringVar(&f.commentText, "comment-text", "short", "how much free text of MongoDB comments is kept: off, short (128 bytes) or full")
	f.grpc.add(fl)
	f.keys.add(fl)
	return c
}

// tapper is a capture that is wanted.
type tapper struct {
	capture    live.Options
	keep       *filter.Filter
	filtered   bool
	cfg        *config.Config // of what live runs share: admin, store, sinks
	adminGiven bool
	length     time.Duration
	table      bool // print the table of what was seen at the end
	stdoutUsed bool // by spans or packets
	record     *live.RecordOptions
}

// tapper reads the flags; what cannot be is the user's mistake.
func (f *tapFlags) tapper(ctx context.Context) (t *tapper, err error) {
	t = &tapper{filtered: f.filter != "", length: f.length, stdoutUsed: f.json || f.write == "-"}
	t.table = !t.stdoutUsed && !f.top
	if err := f.conflicts(); err != nil {
		return nil, err
	}
	if t.keep, err = filter.Parse(f.filter); err != nil {
		return nil, usagef("--filter: %w", err)
	}
	if t.record, err = f.record(); err != nil {
		return nil, err
	}
	if t.capture, err = f.options(ctx); err != nil {
		return nil, err
	}
	t.cfg, err = f.config()
	return t, err
}

// warn tells of what went wrong and ends nothing, unless a screen is there.
func (f *tapFlags) warn(stderr io.Writer) func(error) {
	return func(err error) {
		if !f.top {
			fmt.Fprintln(stderr, "pitot: warning:", err)
		}
	}
}

func (f *tapFlags) conflicts() error {
	switch {
	case f.json && f.jsonFile != "":
		return usagef("--json and --json-file are two places for the same; choose one")
	case f.json && f.write == "-":
		return usagef("--json and --write - both want standard output; use --json-file")
	case f.top && (f.json || f.write == "-"):
		return usagef("--top wants standard output, as --json and --write - do; name files for those")
	case f.workers < 0 || f.snapLen < 1 || f.length < 0 || f.rotateEvery < 0 || f.rotateKeep < 0:
		return usagef("--workers, --snaplen, --for, --rotate-time and --rotate-keep cannot be negative, nor --snaplen 0")
	}
	return nil
}

func (f *tapFlags) options(ctx context.Context) (o live.Options, err error) {
	o = live.Options{Interfaces: f.interfaces, Promiscuous: f.promiscuous, Workers: f.workers, SnapLen: f.snapLen, Capture: f.capture}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Filter, err = pcapfilter.Parse(f.packets); err != nil {
		return o, usagef("-f: %w", err)
	}
	ring, err := config.ParseSize(f.ring)
	if err != nil {
		return o, usagef("--ring: %w", err)
	}
	o.Ring = int(ring)
	calls, err := f.grpc.options(ctx)
	if err != nil {
		return o, err
	}
	if o.Protocols, err = builtin.Protocols(builtin.ProtocolOptions{CommentText: f.commentText, GRPC: calls, Keys: f.keys.make(f.write != "")}); err != nil {
		return o, usagef("--comment-text: %w", err)
	}
	o.Names, err = serviceNames(f.services)
	return o, err
}

// record is what --write and its companions say; nil when nothing is written.
func (f *tapFlags) record() (*live.RecordOptions, error) {
	r := pcapfile.Rotation{Every: f.rotateEvery, Keep: f.rotateKeep}
	if f.rotateSize != "" {
		size, err := config.ParseSize(f.rotateSize)
		if err != nil {
			return nil, usagef("--rotate-size: %w", err)
		}
		r.Size = int64(size)
	}
	switch {
	case f.write == "" && r != (pcapfile.Rotation{}):
		return nil, usagef("--rotate-size, --rotate-time and --rotate-keep are about --write FILE, which is missing")
	case f.write == "":
		return nil, nil
	case r.Keep > 0 && r.Size == 0 && r.Every == 0:
		return nil, usagef("--rotate-keep needs --rotate-size or --rotate-time")
	}
	return &live.RecordOptions{File: f.write, Rotation: r, Application: "pitot " + versionText(), Secrets: f.keys.used}, nil
}

// config is the part of a proxy's configuration that a capture shares.
func (f *tapFlags) config() (*config.Config, error) {
	cfg := config.Default()
	cfg.Admin.Address = f.admin
	switch {
	case f.store != "":
		cfg.Store.DSN = f.store
	case f.json || f.jsonFile != "":
		cfg.Store.DSN = config.None
	}
	cfg.Sinks.JSON.File = f.jsonFile
	if f.json {
		cfg.Sinks.JSON.File = "-"
	}
	return cfg, checkStore(f.store)
}

// underScreen captures with a screen over it; what there is to say waits until
// the screen is gone.
func (f *tapFlags) underScreen(ctx context.Context, t *tapper, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := needTerminal(stdout); err != nil {
		return err
	}
	var held heldLog
	defer held.release(stderr)
	title := strings.Join(f.interfaces, " ")
	return t.run(ctx, func(hub *tap.Hub) *screen { return newScreen(hub, title, false, stdin, stdout) }, stdout, &held)
}
