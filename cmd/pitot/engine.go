package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/sink/store/library"
)

// engineCommand fetches the embedded engine, once per machine and user.
func engineCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "engine",
		Short: "Fetch the embedded ClickHouse engine, once; needs npm",
		Long: "Fetch libchdb " + library.Version + " with npm into the user's cache folder,\n" +
			"where `pitot store` finds it. Does nothing when it is there.\n" +
			library.EnvPath + " names a copy elsewhere.",
		Example: "  pitot engine",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			path, err := library.Fetch(c.Context(), c.ErrOrStderr())
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), path)
			}
			return err
		},
	}
}

// usageArgs makes what check finds a mistake on the command line.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usagef("%w; see '%s --help'", err, c.CommandPath())
		}
		return nil
	}
}
