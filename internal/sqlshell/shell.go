// Package sqlshell runs SQL for people: from an argument, a file, a pipe, or typed at a prompt.
package sqlshell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pitot-io/pitot/sink/store"
)

// Conn runs one statement and writes its answer to out, in a ClickHouse format. A FORMAT in the statement wins where the store can do so.
type Conn interface {
	Query(ctx context.Context, sql, format string, out io.Writer) error
	Close() error
}

// Shell runs statements on a connection.
type Shell struct {
	Conn    Conn
	Format  string // of answers
	Out     io.Writer
	Err     io.Writer
	History string // file of typed statements; "" keeps none
}

// FormatFor is the format of answers when none was asked for: a table to read on a terminal, tab-separated values elsewhere.
func FormatFor(terminal bool) string {
	if terminal {
		return "PrettyCompact"
	}
	return "TabSeparated"
}

// ErrNoSQL is that a text has no statement.
var ErrNoSQL = errors.New(`no SQL to run; for example: pitot sql "SELECT count() FROM otel_traces"`)

// Run runs every statement of text and stops at the first that fails.
func (s *Shell) Run(ctx context.Context, text string) error {
	statements, rest := store.Split(text)
	if !blank(rest) {
		statements = append(statements, rest)
	}
	if len(statements) == 0 {
		return ErrNoSQL
	}
	for _, sql := range statements {
		if err := s.one(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// Nothing tells text without a statement.
func Nothing(text string) bool {
	statements, rest := store.Split(text)
	return len(statements) == 0 && blank(rest)
}

// blank tells text of nothing but blanks and comments.
func blank(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			return false
		}
	}
	return true
}

// one runs a statement or a backslash command.
func (s *Shell) one(ctx context.Context, sql string) error {
	if command := strings.TrimSpace(sql); strings.HasPrefix(command, `\`) {
		return s.command(ctx, command)
	}
	return s.Conn.Query(ctx, sql, s.Format, s.Out)
}

const help = `\d         tables with rows and size
\d TABLE   columns of a table
\h         this help
\q         quit (also Ctrl-D)
Statements end with a semicolon and may span lines. End one with FORMAT Vertical, JSON, CSV or any
other ClickHouse format to get it so. The tables are in docs/sql-cookbook.md.
`

const tables = `SELECT name, engine, total_rows AS rows, formatReadableSize(total_bytes) AS size
FROM system.tables WHERE database = currentDatabase() AND NOT startsWith(name, '.') ORDER BY name`

const columns = `SELECT name, type, default_expression AS default FROM system.columns
WHERE (database = currentDatabase() AND table = %[1]s) OR concat(database, '.', table) = %[1]s ORDER BY position`

func (s *Shell) command(ctx context.Context, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch rest = strings.Trim(rest, " ;"); strings.TrimRight(word, ";") {
	case `\d`:
		if rest == "" {
			return s.Conn.Query(ctx, tables, s.Format, s.Out)
		}
		literal := "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(rest) + "'"
		return s.Conn.Query(ctx, fmt.Sprintf(columns, literal), s.Format, s.Out)
	case `\h`, `\?`:
		_, err := io.WriteString(s.Out, help)
		return err
	}
	return fmt.Errorf(`unknown command %s; \h lists them`, word)
}
