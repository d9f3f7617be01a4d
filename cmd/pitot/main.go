// Command pitot measures service traffic without disturbing it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal ends things in order, a second one at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run carries out one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("stopped")
	}
	fmt.Fprintln(stderr, "pitot:", err)
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// usageError marks a command line that cannot be carried out as it stands.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// usagef is fmt.Errorf for mistakes on the command line.
func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "pitot",
		Short:         "Watch HTTP, gRPC and MongoDB traffic: inline, captured, in a terminal, in SQL",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
		Args:    cobra.ArbitraryArgs,
		Version: versionText(),
	}
	root.SetFlagErrorFunc(flagMistake)
	root.SetVersionTemplate(versionLine())
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages", "FlagUsagesWrapped 80"))
	root.SetHelpCommand(helpCommand())
	root.AddCommand(commands()...)
	return root
}

// helpCommand is cobra's, but for a name that there is not.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Example: "  pitot help replay",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(c.Root(), strings.Join(args, " "))
			}
			return about.Help()
		},
	}
}

// commands lists every subcommand; each has a file of its own.
func commands() []*cobra.Command {
	return []*cobra.Command{
		checkCommand(),
		demoCommand(),
		engineCommand(),
		inspectCommand(),
		proxyCommand(),
		registryCommand(),
		replayCommand(),
		sqlCommand(),
		storeCommand(),
		tapCommand(),
		topCommand(),
		versionCommand(),
	}
}
