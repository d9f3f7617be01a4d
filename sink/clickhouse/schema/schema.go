// Package schema makes and keeps the tables that pitot writes to: numbered migrations, applied once each.
package schema

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Retention unless told otherwise.
const (
	DefaultDatabase  = "pitot"
	DefaultTTL       = 7 * 24 * time.Hour  // of spans and events
	DefaultRollupTTL = 90 * 24 * time.Hour // of rows per minute
)

// dedupWindow is how many inserted blocks a table remembers by their deduplication token, so that a block sent twice is stored once.
const dedupWindow = 10_000

// Options say where the tables are and how long they keep rows.
type Options struct {
	Database  string        // "" is DefaultDatabase
	TTL       time.Duration // of spans and events; 0 keeps them for ever
	RollupTTL time.Duration // of rollups; 0 keeps them for ever
	Stay      bool          // tables that exist keep the retention that they have
}

//go:embed *.sql
var files embed.FS

// Apply brings the database to the newest migration and the tables to the retention of o. It may run at every start, and
// by several processes: each statement does nothing when its work is done.
func Apply(ctx context.Context, conn clickhouse.Conn, o Options) error {
	if o.Database == "" {
		o.Database = DefaultDatabase
	}
	m := migrator{conn: conn, o: o, db: Quote(o.Database)}
	if err := m.exec(ctx, "CREATE DATABASE IF NOT EXISTS "+m.db); err != nil {
		return err
	}
	if err := m.exec(ctx, "CREATE TABLE IF NOT EXISTS "+m.db+".pitot_migrations (Version UInt32, Name String, AppliedAt DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY Version"); err != nil {
		return err
	}
	var newest uint32
	if err := conn.QueryRow(ctx, "SELECT max(Version) FROM "+m.db+".pitot_migrations").Scan(&newest); err != nil {
		return fmt.Errorf("schema: read applied migrations: %w", err)
	}
	all, err := load()
	if err != nil {
		return err
	}
	if last := all[len(all)-1].version; newest > last {
		return fmt.Errorf("schema: the database %s is at version %d, this pitot knows %d: use a newer pitot, or another database in the DSN", o.Database, newest, last)
	}
	for _, f := range all {
		if f.version > newest {
			if err := m.apply(ctx, f); err != nil {
				return err
			}
		}
	}
	if o.Stay {
		return nil
	}
	return m.retain(ctx)
}

// file is one migration.
type file struct {
	version uint32
	name    string
	text    string
}

// load reads the embedded files, NNNN_name.sql, in order.
func load() ([]file, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	all := make([]file, 0, len(names))
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("schema: migration %s has no number", name)
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
		all = append(all, file{uint32(version), strings.TrimSuffix(name, ".sql"), string(text)})
	}
	return all, nil
}

type migrator struct {
	conn clickhouse.Conn
	o    Options
	db   string // quoted
}

func (m *migrator) apply(ctx context.Context, f file) error {
	statements, err := f.statements(m.db, m.o)
	if err != nil {
		return err
	}
	for _, sql := range statements {
		if err := m.exec(ctx, sql); err != nil {
			return fmt.Errorf("schema: migration %s: %w", f.name, err)
		}
	}
	return m.exec(ctx, fmt.Sprintf("INSERT INTO %s.pitot_migrations (Version, Name) SELECT %d, '%s'", m.db, f.version, f.name))
}

func (m *migrator) exec(ctx context.Context, sql string) error {
	if err := m.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	return nil
}

// statements fills in the file and cuts it at the semicolons that end a line.
func (f file) statements(db string, o Options) ([]string, error) {
	t, err := template.New(f.name).Funcs(template.FuncMap{"ttl": clause}).Parse(f.text)
	if err != nil {
		return nil, fmt.Errorf("schema: migration %s: %w", f.name, err)
	}
	var b strings.Builder
	data := struct {
		DB             string
		TTL, RollupTTL time.Duration
		Window         int
	}{db, o.TTL, o.RollupTTL, dedupWindow}
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("schema: migration %s: %w", f.name, err)
	}
	var out []string
	for sql := range strings.SplitSeq(b.String(), ";\n") {
		if sql = strings.TrimSpace(sql); sql != "" {
			out = append(out, sql)
		}
	}
	return out, nil
}

// clause is the TTL clause for rows dated by column, or nothing.
func clause(column string, ttl time.Duration) string {
	if ttl <= 0 {
		return ""
	}
	return "TTL " + rule(column, ttl)
}

func rule(column string, ttl time.Duration) string {
	return fmt.Sprintf("%s + toIntervalSecond(%d)", column, int64(ttl/time.Second))
}

// retain changes the retention of tables made with another one. New parts follow it at once, old ones at their next merge.
func (m *migrator) retain(ctx context.Context) error {
	for _, t := range []struct {
		table, column string
		ttl           time.Duration
	}{
		{"otel_traces", "toDateTime(Timestamp)", m.o.TTL}, {"otel_logs", "toDateTime(Timestamp)", m.o.TTL},
		{"otel_traces_trace_id_ts", "Start", m.o.TTL}, {"red_1m", "Time", m.o.RollupTTL}, {"mongo_callsite_1m", "Time", m.o.RollupTTL},
	} {
		var ddl string
		if err := m.conn.QueryRow(ctx, "SELECT create_table_query FROM system.tables WHERE database = $1 AND name = $2", m.o.Database, t.table).Scan(&ddl); err != nil {
			return fmt.Errorf("schema: read the retention of %s: %w", t.table, err)
		}
		if err := m.modify(ctx, t.table, ddl, t.column, t.ttl); err != nil {
			return err
		}
	}
	return nil
}

func (m *migrator) modify(ctx context.Context, table, ddl, column string, ttl time.Duration) error {
	has := strings.Contains(ddl, " TTL ")
	switch {
	case ttl <= 0 && has:
		return m.exec(ctx, "ALTER TABLE "+m.db+"."+table+" REMOVE TTL")
	case ttl > 0 && !strings.Contains(ddl, " TTL "+rule(column, ttl)):
		return m.exec(ctx, "ALTER TABLE "+m.db+"."+table+" MODIFY TTL "+rule(column, ttl)+" SETTINGS materialize_ttl_after_modify = 0")
	}
	return nil
}

// Quote makes a quoted identifier.
func Quote(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

// Kept is how long the tables of a database keep spans; 0 is for ever.
func Kept(ctx context.Context, conn clickhouse.Conn, database string) (time.Duration, error) {
	if database == "" {
		database = DefaultDatabase
	}
	var seconds string
	if err := conn.QueryRow(ctx, `SELECT extract(create_table_query, ' TTL .*?toIntervalSecond\\((\\d+)\\)') FROM system.tables WHERE database = $1 AND name = 'otel_traces'`,
		database).Scan(&seconds); err != nil {
		return 0, fmt.Errorf("schema: read how long spans are kept: %w", err)
	}
	n, _ := strconv.ParseInt(seconds, 10, 64) // none: no TTL
	return time.Duration(n) * time.Second, nil
}

// CheckAge tells of traffic that a store with this retention throws away as it comes: ClickHouse discards rows past their TTL at INSERT
// while the rollups still count them, so an old capture looks half loaded. The error names the ways out.
func CheckAge(first time.Time, ttl time.Duration, now time.Time) error {
	if ttl <= 0 || now.Sub(first) < ttl {
		return nil
	}
	return fmt.Errorf("the traffic is from %s and the store keeps %s: what is older is discarded; --shift-time now gives it today's time, another database in --store or a longer store.ttl keeps it",
		first.UTC().Format("2006-01-02 15:04"), span(ttl))
}

// span writes a retention as people say it.
func span(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", days)
	}
	return d.String()
}
