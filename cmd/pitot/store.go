package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/sink/store"
	"github.com/pitot-io/pitot/sink/store/launch"
)

// storeCommand serves the embedded ClickHouse engine until it is told to stop.
func storeCommand() *cobra.Command {
	var opts store.Options
	c := &cobra.Command{
		Use:   "store",
		Short: "Serve the embedded ClickHouse engine by HTTP",
		Long: "Serve the embedded ClickHouse engine over ClickHouse's HTTP interface, for\n" +
			"pitot and any ClickHouse client. The other commands start one by themselves\n" +
			"when none runs. SIGTERM or Ctrl-C ends it after running queries.\n" +
			"A password may also come from PITOT_STORE_PASSWORD; an address that other\n" +
			"machines can reach needs one.",
		Example: "  pitot store\n  curl 'http://127.0.0.1:8123/?query=SELECT+version()'",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := storeBeside(); err != nil {
				return err
			}
			if opts.Password == "" {
				opts.Password = os.Getenv("PITOT_STORE_PASSWORD")
			}
			return runStore(c.Context(), opts, slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil)))
		},
	}
	f := c.Flags()
	f.StringVar(&opts.Listen, "listen", store.DefaultListen, "address to serve")
	f.StringVar(&opts.Data, "data", "", "folder of the data (default pitot/store in the user's state or cache folder)")
	f.StringVar(&opts.User, "user", "default", "user name to ask for, together with --password")
	f.StringVar(&opts.Password, "password", "", "password to ask for")
	f.BoolVar(&opts.ReadOnly, "readonly", false, "refuse everything that writes")
	f.BoolVar(&opts.WhileLeased, "while-leased", false, "end when no pitot process uses the store any more")
	return c
}

func runStore(ctx context.Context, opts store.Options, log *slog.Logger) error {
	if opts.Data == "" {
		data, err := launch.DefaultData()
		if err != nil {
			return err
		}
		opts.Data = data
	}
	s, err := store.Open(opts, log)
	if err != nil {
		return err
	}
	log.Info("store open", "address", s.Addr(), "data", opts.Data, "engine", s.Version())
	select {
	case <-ctx.Done():
	case <-s.Unused():
	}
	err = s.Close(context.WithoutCancel(ctx))
	log.Info("store closed")
	return err
}
