package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pitot-io/pitot/internal/spelling"
)

// someFiles wants at least one capture file.
func someFiles(_ *cobra.Command, files []string) error {
	if len(files) == 0 {
		return fmt.Errorf("name a capture file, or - for standard input")
	}
	return nil
}

// flagMistake words what the library says of a flag, without the names of its
// functions.
func flagMistake(c *cobra.Command, err error) error {
	what, _, parsed := strings.Cut(err.Error(), ": strconv.")
	if parsed {
		what += ", which wants another kind of value"
	}
	if name, unknown := strings.CutPrefix(what, "unknown flag: --"); unknown {
		what += meant(name, flagNames(c), "--")
	}
	return usagef("%s; see '%s --help'", what, c.CommandPath())
}

func flagNames(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// unknownCommand is the mistake of a command that there is not.
func unknownCommand(root *cobra.Command, name string) error {
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return usagef("unknown command %q%s; 'pitot --help' lists them", name, meant(name, names, ""))
}

// meant asks whether it was the name nearest to what was written, if any is near.
func meant(written string, names []string, prefix string) string {
	const longest, far = 40, 3
	if len(written) > longest {
		return ""
	}
	best, least := "", far
	for _, n := range names {
		if d := spelling.Distance(written, n); d < least && d < len(n) {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s%s?)", prefix, best)
}
