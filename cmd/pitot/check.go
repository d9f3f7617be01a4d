package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/internal/config"
)

// checkCommand says what is wrong with a configuration, all of it.
func checkCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "check",
		Short:   "Check a configuration file and say everything that is wrong with it",
		Example: "  pitot check -c pitot.yaml",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("name the configuration file: pitot check -c FILE")
			}
			cfg, err := config.Load(file)
			var problems config.Problems
			if errors.As(err, &problems) {
				for _, p := range problems {
					fmt.Fprintln(c.OutOrStdout(), p)
				}
				return fmt.Errorf("%s cannot be used: %d to mend", file, len(problems))
			}
			if err != nil {
				return err
			}
			if err := checkMetadata(cfg.GRPC.Metadata); err != nil {
				return fmt.Errorf("%s cannot be used: %w", file, err)
			}
			for _, w := range cfg.Warnings() {
				fmt.Fprintf(c.ErrOrStderr(), "%s: warning: %s\n", file, w)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is good: %d listeners, %d clusters\n", file, len(cfg.Listeners), len(cfg.Clusters))
			return nil
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration `file`")
	return c
}
