package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/pitot-io/pitot/internal/sqlshell"
	"github.com/pitot-io/pitot/sink/clickhouse"
	"github.com/pitot-io/pitot/sink/store"
	"github.com/pitot-io/pitot/sink/store/launch"
)

type sqlFlags struct {
	store, data, listen, format, file string
}

// sqlCommand asks the store.
func sqlCommand() *cobra.Command {
	var f sqlFlags
	c := &cobra.Command{
		Use:   "sql [QUERY]",
		Short: "Ask the store in SQL: a query, a file, a pipe, or interactively",
		Long: "Ask the store in SQL. Without a query and on a terminal it is interactive:\n" +
			`statements end with a semicolon, \d lists tables, \d TABLE columns, \h helps,` + "\n" +
			`\q quits. Answers are tables on a terminal and tab-separated elsewhere.` + "\n" +
			"When no embedded store runs, one is started for as long as it is asked.",
		Example: "  pitot sql \"SELECT ServiceName, count() FROM otel_traces GROUP BY 1\"\n  pitot sql -f report.sql --format CSVWithNames\n  echo 'SELECT 1' | pitot sql",
		RunE: func(c *cobra.Command, args []string) error {
			if f.file != "" && len(args) > 0 {
				return usagef("give a query or -f FILE, not both; see 'pitot sql --help'")
			}
			return f.run(c, strings.Join(args, " "))
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.store, "store", "embedded", "embedded, or the `DSN` of a ClickHouse: http://HOST:8123, clickhouse://HOST:9000")
	fl.StringVar(&f.data, "data", "", "folder of the embedded store's data (default pitot/store in the user's state or cache folder)")
	fl.StringVar(&f.listen, "listen", store.DefaultListen, "address of the embedded store")
	fl.StringVar(&f.format, "format", "", "any ClickHouse format (default PrettyCompact on a terminal, else TabSeparated)")
	fl.StringVarP(&f.file, "file", "f", "", "run the statements of this file; - is standard input")
	return c
}

func (f *sqlFlags) run(c *cobra.Command, query string) (err error) {
	if err := checkStore(f.store); err != nil {
		return err
	}
	text, interactive, err := f.text(c.Context(), c.InOrStdin(), query)
	if err != nil {
		return err
	}
	if !interactive && sqlshell.Nothing(text) {
		return usageError{sqlshell.ErrNoSQL} // before a store is started for it
	}
	ctx := c.Context()
	dsn := f.store
	if dsn == storeEmbedded {
		s, err := launch.Ensure(ctx, launch.Options{Listen: f.listen, Data: f.data})
		if err != nil {
			return err
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
			defer cancel()
			if failed := s.Close(ctx); err == nil {
				err = failed
			}
		}()
		if dsn = s.DSN(); s.Started {
			if err := clickhouse.Ready(ctx, dsn); err != nil {
				return err
			}
		}
	}
	conn, err := sqlshell.Dial(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close()
	sh := &sqlshell.Shell{Conn: conn, Format: f.format, Out: c.OutOrStdout(), Err: c.ErrOrStderr(), History: historyFile()}
	if sh.Format == "" {
		sh.Format = sqlshell.FormatFor(terminal(c.OutOrStdout()))
	}
	if interactive {
		return sh.Interactive(ctx)
	}
	return sh.Run(ctx, text)
}

// text is the SQL to run, or interactive when a person sits at a terminal and gave none.
func (f *sqlFlags) text(ctx context.Context, in io.Reader, query string) (text string, interactive bool, err error) {
	switch {
	case query != "":
		return query, false, nil
	case f.file != "" && f.file != "-":
		b, err := os.ReadFile(f.file)
		if err != nil {
			return "", false, fmt.Errorf("-f: %w", err)
		}
		return string(b), false, nil
	case f.file == "" && terminal(in):
		return "", true, nil
	}
	b, err := io.ReadAll(readUntil(ctx, in))
	if err != nil {
		return "", false, fmt.Errorf("read standard input: %w", err)
	}
	return string(b), false, nil
}

// terminal tells whether v is a file on a terminal.
func terminal(v any) bool {
	file, ok := v.(*os.File)
	return ok && term.IsTerminal(file.Fd())
}

// historyFile keeps typed statements; without a folder for it there is none.
func historyFile() string {
	data, err := launch.DefaultData()
	if err != nil {
		return ""
	}
	dir := filepath.Dir(data)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return ""
	}
	return filepath.Join(dir, "sql_history")
}
