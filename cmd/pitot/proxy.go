package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/internal/builtin"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy"
	"github.com/pitot-io/pitot/proxy/inherit"
	"github.com/pitot-io/pitot/tap"
)

// proxyFlags are the flags of pitot proxy as they were given.
type proxyFlags struct {
	file     string
	listen   string
	to       []string
	protocol string
	service  string
	admin    string
	json     bool
	jsonFile string
	store    string
	grpc     grpcFlags
	top      bool
}

func proxyCommand() *cobra.Command {
	var f proxyFlags
	c := &cobra.Command{
		Use:   "proxy",
		Short: "Put pitot inline: forward, balance and watch traffic",
		Long: "Put pitot inline: forward, balance and watch HTTP, MongoDB and TCP traffic.\n" +
			"A configuration file says everything (docs/configuration.md); --listen and --to\n" +
			"do for one listener. SIGTERM or Ctrl-C drains: what is under way may end, for a\n" +
			"bounded time. A second signal ends at once.\n" +
			"A file that changes is taken over under the traffic (SIGHUP: at once), and\n" +
			"SIGUSR2 hands the sockets to a new start of this program (docs/operations.md).",
		Example: "  pitot proxy --listen :8080 --to 10.0.0.7:80,10.0.0.8:80\n" +
			"  pitot proxy --listen :27018 --to 127.0.0.1:27017 --protocol mongodb --json\n  pitot proxy -c pitot.yaml",
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			from := f.changes()
			cfg, err := f.config()
			if err != nil {
				return err
			}
			if !f.top {
				return runProxy(c.Context(), cfg, from, nil, c.OutOrStdout(), c.ErrOrStderr())
			}
			return f.underScreen(c.Context(), cfg, from, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.file, "config", "c", "", "configuration `file`")
	fl.StringVar(&f.listen, "listen", "", "`address` to listen on, as :8080 or 127.0.0.1:8080")
	fl.StringSliceVar(&f.to, "to", nil, "upstream `endpoints`, as host:port,host:port")
	fl.StringVar(&f.protocol, "protocol", config.Auto, "what is spoken: http, mongodb, tcp, tls_passthrough, or auto to find out")
	fl.StringVar(&f.service, "service", "", "`name` of the service that answers")
	fl.StringVar(&f.admin, "admin", "", "`address` of the admin port, or none (default 127.0.0.1:9901)")
	fl.BoolVar(&f.json, "json", false, "print spans and events as JSON Lines")
	fl.StringVar(&f.jsonFile, "json-file", "", "add spans and events as JSON Lines to this `file`")
	fl.StringVar(&f.store, "store", "", "where history goes: embedded, none, or the `DSN` of a ClickHouse (default embedded)")
	f.grpc.add(fl)
	fl.BoolVar(&f.top, "top", false, "watch it in this terminal; leaving the screen ends the proxy")
	return c
}

// underScreen runs the proxy with a screen over it; log lines wait until the
// screen is gone.
func (f *proxyFlags) underScreen(ctx context.Context, cfg *config.Config, from *changes, stdin io.Reader, stdout, stderr io.Writer) error {
	if f.json {
		return usagef("--top and --json both want standard output; use --json-file")
	}
	for i := range cfg.Listeners {
		if cfg.Listeners[i].LogsTo("-") {
			return usagef("--top and an access log both want standard output; give the log a file")
		}
	}
	if err := needTerminal(stdout); err != nil {
		return err
	}
	var held heldLog
	defer held.release(stderr)
	title := cfg.Listeners[0].Address
	return runProxy(ctx, cfg, from, func(hub *tap.Hub) *screen { return newScreen(hub, title, false, stdin, stdout) }, stdout, &held)
}

// config is what the file or the flags say; the latter are checked here.
func (f *proxyFlags) config() (*config.Config, error) {
	cfg, err := f.base()
	if err != nil {
		return nil, err
	}
	if f.admin != "" {
		cfg.Admin.Address = f.admin
	}
	if f.store != "" {
		cfg.Store.DSN = f.store
	}
	if err := f.grpc.over(&cfg.GRPC); err != nil {
		return nil, err
	}
	switch {
	case f.json && f.jsonFile != "":
		return nil, usagef("--json and --json-file are two places for the same; choose one")
	case f.json:
		cfg.Sinks.JSON.File = "-"
	case f.jsonFile != "":
		cfg.Sinks.JSON.File = f.jsonFile
	}
	return cfg, inFlags(cfg.Validate())
}

func (f *proxyFlags) base() (*config.Config, error) {
	switch {
	case f.file != "" && (f.listen != "" || len(f.to) > 0 || f.service != "" || f.protocol != config.Auto):
		return nil, usagef("-c FILE says everything; leave out --listen, --to, --protocol and --service, or the file")
	case f.file != "":
		return config.Load(f.file)
	case f.listen == "" || len(f.to) == 0:
		return nil, usagef("say where from and where to: --listen :8080 --to host:port, or -c FILE")
	}
	cfg := config.FromFlags(f.listen, f.to...)
	cfg.Listeners[0].Protocol, cfg.Listeners[0].Service = f.protocol, f.service
	return cfg, nil
}

// inFlags tells problems of a configuration by the flags that made it.
func inFlags(err error) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	flags := strings.NewReplacer("listeners[0].address", "--listen", "listeners[0].protocol", "--protocol",
		"clusters[0].endpoints", "--to", "admin.address", "--admin", "store.dsn", "--store", "sinks.json.file", "--json-file",
		"grpc.payload", "--grpc-payload", "grpc.reflect", "--proto-reflect")
	for i := range problems {
		problems[i].Key = flags.Replace(problems[i].Key)
	}
	return usageError{problems}
}

// errLeft is why a run ended whose screen the user left.
var errLeft = errors.New("the screen was left")

// changes is the file to follow, and how it is read; nil without a file.
func (f *proxyFlags) changes() *changes {
	if f.file == "" {
		return nil
	}
	return changesOf(f.file, f.config)
}

// runProxy serves until ctx is done and everything that was seen is written.
// With a file, its changes are taken over. With open, it shows a screen
// meanwhile, and ends when the user leaves it.
func runProxy(ctx context.Context, cfg *config.Config, from *changes, open func(*tap.Hub) *screen, stdout, stderr io.Writer) error {
	level := new(slog.LevelVar)
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	outs := &outputs{hub: tap.NewHub(runtime.GOMAXPROCS(0)), log: log}
	calls, err := grpcOptions(ctx, cfg.GRPC)
	if err != nil {
		return err
	}
	decoders := builtin.ProtocolOptions{CommentText: cfg.Redact.Comments, GRPC: calls}
	protocols, err := builtin.Protocols(decoders)
	if err != nil {
		return err
	}
	again, deaf := hangups() // from here on, so that no signal comes too early
	defer deaf()
	asked, deafer := successions()
	defer deafer()
	sockets, err := inherit.FromEnvironment()
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings() {
		log.Warn("configuration", "warning", w)
	}
	server, err := proxy.New(cfg, proxy.Deps{
		Hub: outs.hub, Protocols: protocols, Layers: builtin.Layers(decoders), Sinks: outs.stats,
		Sockets: sockets, Listening: sockets.Ready, Log: log, Level: level, Stdout: stdout})
	if err != nil {
		return err
	}
	for _, name := range sockets.Left() {
		log.Warn("an inherited socket is no listener's", "socket", name)
	}
	sockets.Close()
	if err := outs.open(ctx, cfg, stdout); err != nil {
		server.Close()
		return errors.Join(err, outs.finish(ctx))
	}
	moved, unmoved := filesMoved()
	defer unmoved()
	serving, served := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() { outs.hub.Run(serving) })
	beside.Go(func() { outs.watch(serving) })
	beside.Go(func() { tendMemory(serving) })
	beside.Go(func() { reopenLogs(serving, moved, server, log) })
	ctx, leave := context.WithCancelCause(ctx)
	if from != nil {
		beside.Go(func() { from.follow(serving, again, server.Reload, log) })
	}
	if open == nil {
		beside.Go(func() { succeeding(serving, asked, server, leave, log) })
	}
	var shown error
	if open != nil {
		s := open(outs.hub).over(server.Status)
		beside.Go(func() {
			shown = s.show(ctx)
			leave(errLeft)
		})
	}
	err = server.Run(ctx)
	leave(nil)
	served()
	beside.Wait()
	if err = errors.Join(err, shown, outs.finish(ctx)); err == nil {
		log.Info("ended", "exchanges", outs.hub.Seen(), "why", fmt.Sprint(context.Cause(ctx)))
	}
	return err
}
