package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/internal/config"
)

// noFile is for who names the file without its flag.
func noFile(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("name the configuration file with -c: pitot check -c %s", args[0])
	}
	return nil
}

// checkCommand says what is wrong with a configuration, all of it.
func checkCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "check",
		Short:   "Say everything that is wrong with a configuration file",
		Example: "  pitot check -c pitot.yaml",
		Args:    usageArgs(noFile),
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
			fmt.Fprintf(c.OutOrStdout(), "%s is good: %s, %s\n", file, counted(len(cfg.Listeners), "listener"), counted(len(cfg.Clusters), "cluster"))
			return nil
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration `file`")
	return c
}

// counted is a number of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
