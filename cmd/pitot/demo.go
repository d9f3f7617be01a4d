package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/internal/demo"
	"github.com/pitot-io/pitot/sink/store/launch"
	"github.com/pitot-io/pitot/sink/store/library"
)

// demoCommand runs sample services under load through pitot. Its subcommands are the processes it is made of.
func demoCommand() *cobra.Command {
	var o demo.Options
	var report bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run sample services under load through pitot",
		Long: "Run a shop of a few processes under load, with every hop through pitot: HTTP,\n" +
			"MongoDB and the store. On a terminal, show it live until you leave; elsewhere\n" +
			"run for a while, print a report and end, with status 1 when anything failed or\n" +
			"was lost. Nothing stays behind.\n" +
			"The MongoDB end is PITOT_DEMO_MONGODB (host:port or a mongodb:// URI; its\n" +
			"database pitot_demo is dropped and filled anew), else mongod where that is\n" +
			"installed, else a small server in memory.",
		Example: "  pitot demo\n  pitot demo --for 5s | cat\n  PITOT_DEMO_MONGODB=127.0.0.1:27017 pitot demo",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if o.For <= 0 || o.Rate <= 0 || o.Rate > 5000 {
				return usagef("--for must be more than 0, as 20s, and --rate from 1 to 5000")
			}
			program, err := os.Executable()
			if err != nil {
				return fmt.Errorf("demo: find this program: %w", err)
			}
			o.Program, o.MongoDB = program, os.Getenv("PITOT_DEMO_MONGODB")
			if _, o.NoStore = library.Find(); o.NoStore == nil {
				o.Store, o.NoStore = launch.Program()
			}
			o.Out, o.Progress = c.OutOrStdout(), c.ErrOrStderr()
			o.Watch = watchOnTerminal(report)
			// A reader that has gone (pitot demo | head) is an error of writing, not the end of this process: it tidies up.
			gone := make(chan os.Signal, 1)
			signal.Notify(gone, syscall.SIGPIPE)
			defer signal.Stop(gone)
			ctx, stop := untilHangup(c.Context())
			defer stop()
			return demo.Run(ctx, o)
		},
	}
	c.Flags().DurationVar(&o.For, "for", 20*time.Second, "how long the load runs when there is no terminal")
	c.Flags().IntVar(&o.Rate, "rate", 40, "requests a second")
	c.Flags().BoolVar(&report, "report", false, "print the report on a terminal too")
	c.AddCommand(demoShop(), demoOrders(), demoMongo(), demoLoad())
	return c
}

// untilHangup ends with ctx, and when the terminal goes away; unless who started
// this (nohup) wants it to go on then.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// watchOnTerminal is how the user watches: `pitot top` on the demo's pitot. It is nil where there is no terminal.
func watchOnTerminal(report bool) func(context.Context, string) error {
	if report || !term.IsTerminal(os.Stdin.Fd()) || !term.IsTerminal(os.Stdout.Fd()) {
		return nil
	}
	return func(ctx context.Context, admin string) error {
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("demo: find this program: %w", err)
		}
		top := exec.CommandContext(ctx, program, "top", "--admin", admin)
		top.Stdin, top.Stdout, top.Stderr = os.Stdin, os.Stdout, os.Stderr
		top.Cancel = func() error { return top.Process.Signal(os.Interrupt) } // it gives the terminal back before it ends
		top.WaitDelay = 5 * time.Second
		if err := top.Run(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("demo: pitot top: %w", err)
		}
		return nil
	}
}

// part is a hidden subcommand: one of the demo's processes.
func part(use, short string, run func(c *cobra.Command) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Hidden: true, Args: usageArgs(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error { return run(c) }}
}

func demoShop() *cobra.Command {
	var o demo.ShopOptions
	c := part("shop", "Serve the demo's shop front", func(c *cobra.Command) error { return demo.RunShop(c.Context(), o) })
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "address to serve")
	c.Flags().StringVar(&o.Orders, "orders", "", "URL of the orders service")
	return c
}

func demoOrders() *cobra.Command {
	var o demo.OrdersOptions
	c := part("orders", "Serve one endpoint of the demo's orders service", func(c *cobra.Command) error { return demo.RunOrders(c.Context(), o) })
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "address to serve")
	c.Flags().StringVar(&o.Mongo, "mongo", "", "URI of MongoDB")
	c.Flags().DurationVar(&o.Delay, "delay", 0, "added to every request")
	c.Flags().BoolVar(&o.Seed, "seed", false, "fill the database first")
	return c
}

func demoMongo() *cobra.Command {
	var o demo.MongoOptions
	c := part("mongo", "Serve MongoDB from memory", func(c *cobra.Command) error { return demo.RunMongo(c.Context(), o) })
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "address to serve")
	return c
}

func demoLoad() *cobra.Command {
	var o demo.LoadOptions
	c := part("load", "Be the demo's customers, and print what they counted as JSON", func(c *cobra.Command) error {
		r, err := demo.RunLoad(c.Context(), o)
		if err != nil {
			return err
		}
		return json.NewEncoder(c.OutOrStdout()).Encode(r)
	})
	c.Flags().StringVar(&o.Target, "target", "", "URL of the shop")
	c.Flags().DurationVar(&o.For, "for", 0, "how long; 0 until it is told to stop")
	c.Flags().IntVar(&o.Rate, "rate", 40, "requests a second")
	c.Flags().IntVar(&o.Workers, "workers", 8, "requests at a time")
	return c
}
