// Package clickhouse writes spans and events to a ClickHouse, embedded or remote, through clickhouse-go and by columns.
package clickhouse

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/clickhouse/schema"
)

// Options say where and how to write. Zero values mean the defaults beside the fields, but for TTL and RollupTTL (see DefaultOptions).
type Options struct {
	DSN       string        // http://, https:// or clickhouse://[user:password@]host:port[/database][?setting=value]; the database defaults to pitot
	TTL       time.Duration // retention of spans and events; 0 keeps them for ever
	RollupTTL time.Duration // retention of rollups; 0 keeps them for ever
	Stay      bool          // tables that exist keep the retention that they have
	Version   string        // of pitot, stored as ScopeVersion

	Shift      time.Duration // added to every time, for captures replayed as of now
	MaxNames   int           // SpanName values per service before "METHOD _OTHER"; default 1000
	MaxSites   int           // CallSite values per service before "_OTHER"; default 2000
	DialWithin time.Duration // for a connection and its greeting; default that of the DSN, or 5 s

	// Absent is told why the store cannot be reached when Open asks; then Write
	// goes on to ask. nil: Open fails.
	Absent func(why error)
}

// DefaultOptions are Options with pitot's retention.
func DefaultOptions(dsn string) Options {
	return Options{DSN: dsn, TTL: schema.DefaultTTL, RollupTTL: schema.DefaultRollupTTL}
}

// Sink is a sink.Sink. It is used by one goroutine at a time.
type Sink struct {
	conn   clickhouse.Conn
	schema schema.Options
	typed  bool // HTTP: the client names the types of what it sends, and the server converts
	later  bool // the schema is not looked at yet
	addr   string

	run   string // begins deduplication tokens
	seq   uint64
	spans spans
	logs  logs
}

// Open connects, brings the schema up to date and returns the sink. An unreachable store is an error that names it and the mend,
// or told to Options.Absent.
func Open(ctx context.Context, o Options) (*Sink, error) {
	opts, database, err := parseDSN(o.DSN)
	if err != nil {
		return nil, err
	}
	opts.DialTimeout = cmp.Or(o.DialWithin, opts.DialTimeout, 5*time.Second)
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", redact(o.DSN), err)
	}
	s := &Sink{
		conn: conn, typed: opts.Protocol == clickhouse.HTTP, addr: strings.Join(opts.Addr, ","), run: rand.Text(),
		schema: schema.Options{Database: database, TTL: o.TTL, RollupTTL: o.RollupTTL, Stay: o.Stay},
	}
	s.spans.init(o)
	s.logs.init(o)
	if err := conn.Ping(ctx); err != nil {
		why := unusable(s.addr, err)
		if o.Absent != nil && absent(err) {
			o.Absent(why)
			s.later = true
			return s, nil
		}
		_ = conn.Close()
		return nil, why
	}
	if err := schema.Apply(ctx, conn, s.schema); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("store %s: %w", s.addr, brief(err))
	}
	return s, nil
}

// CheckDSN says what is wrong with a DSN, without asking anybody.
func CheckDSN(dsn string) error {
	_, _, err := parseDSN(dsn)
	return err
}

// parseDSN fills in what pitot needs. The connection itself stays in the default database, as pitot's may not exist yet.
func parseDSN(dsn string) (*clickhouse.Options, string, error) {
	scheme, _, _ := strings.Cut(dsn, "://")
	port, known := map[string]string{"http": "8123", "https": "8443", "clickhouse": "9000", "native": "9000", "tcp": "9000"}[scheme]
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil || !known {
		return nil, "", fmt.Errorf("store DSN %q is not one: want clickhouse://HOST:9000, http://HOST:8123 or https://HOST:8443", redact(dsn))
	}
	for i, addr := range opts.Addr {
		if addr == "" {
			return nil, "", fmt.Errorf("store DSN %q names no host", redact(dsn))
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			opts.Addr[i] = net.JoinHostPort(strings.Trim(addr, "[]"), port)
		}
	}
	database := schema.DefaultDatabase
	if opts.Auth.Database != "" && opts.Auth.Database != "default" {
		database = opts.Auth.Database
	}
	opts.Auth.Database = "default"
	opts.MaxOpenConns, opts.MaxIdleConns = 2, 2
	if opts.Settings == nil {
		opts.Settings = clickhouse.Settings{}
	}
	opts.Settings["max_partitions_per_insert_block"] = 0 // a capture may span many days
	if opts.Compression == nil && !loopback(opts.Addr) {
		opts.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	}
	return opts, database, nil
}

// redact hides a password in a DSN that an error will show.
func redact(dsn string) string {
	scheme, rest, ok := strings.Cut(dsn, "://")
	if at := strings.LastIndexByte(rest, '@'); ok && at >= 0 {
		return scheme + "://***" + rest[at:]
	}
	return dsn
}

func loopback(addrs []string) bool {
	for _, a := range addrs {
		host, _, err := net.SplitHostPort(a)
		if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// Write stores the batches as one block of spans and one of events. Both carry a deduplication token: the pump's for these batches
// (sink.Token), so that a block whose answer was lost is stored once however often it is sent.
func (s *Sink) Write(ctx context.Context, batches []*event.Batch) error {
	if s.later {
		if err := schema.Apply(ctx, s.conn, s.schema); err != nil {
			return s.failed(ctx, err)
		}
		s.later = false
	}
	token := sink.Token(ctx)
	if token == "" {
		s.seq++
		token = fmt.Sprintf("%s-%d", s.run, s.seq)
	}
	s.spans.reset()
	s.logs.reset()
	for _, b := range batches {
		for i := range b.Exchanges {
			s.spans.add(&b.Exchanges[i])
		}
		for i := range b.Notices {
			s.logs.add(&b.Notices[i])
		}
	}
	if err := s.insert(ctx, "otel_traces", token, s.spans.columns); err != nil {
		return err
	}
	return s.insert(ctx, "otel_logs", token, s.logs.columns)
}

// field is one column of a block: its values so far.
type field struct {
	name  string
	kind  string     // type sent over HTTP; the server makes it the column's own
	rows  func() int // values held
	put   func(into) error
	empty func() // forget the values, keep the memory
}

// into is a column of a clickhouse-go batch.
type into interface {
	Append(any) error
	AppendRow(any) error
}

// insert sends one block.
func (s *Sink) insert(ctx context.Context, table, token string, columns []field) error {
	if columns[0].rows() == 0 {
		return nil
	}
	settings := clickhouse.Settings{"insert_deduplication_token": token, "deduplicate_blocks_in_dependent_materialized_views": 1, "async_insert": 0}
	options := []clickhouse.QueryOption{clickhouse.WithSettings(settings)}
	names := make([]string, len(columns))
	types := make([]clickhouse.ColumnNameAndType, len(columns))
	for i, c := range columns {
		names[i], types[i] = c.name, clickhouse.ColumnNameAndType{Name: c.name, Type: c.kind}
	}
	if s.typed {
		options = append(options, clickhouse.WithColumnNamesAndTypes(types))
	}
	query := "INSERT INTO " + schema.Quote(s.schema.Database) + "." + table + " (" + strings.Join(names, ", ") + ")"
	batch, err := s.conn.PrepareBatch(clickhouse.Context(ctx, options...), query)
	if err != nil {
		return s.failed(ctx, err)
	}
	defer batch.Close()
	for i, c := range columns {
		if err := c.put(batch.Column(i)); err != nil {
			return sink.Permanent(fmt.Errorf("clickhouse: column %s: %w", c.name, err))
		}
	}
	if err := batch.Send(); err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

// CheckAge tells of traffic from first that the tables' retention discards as it is written; nil where they keep it.
func (s *Sink) CheckAge(ctx context.Context, first time.Time) error {
	kept, err := schema.Kept(ctx, s.conn, s.schema.Database)
	if err != nil {
		return fmt.Errorf("store %s: %w", s.addr, brief(err))
	}
	return schema.CheckAge(first, kept, time.Now())
}

// Close ends the connections.
func (s *Sink) Close() error { return s.conn.Close() }

// Ready makes the tables where there are none yet, and leaves a database that exists as it is.
func Ready(ctx context.Context, dsn string) error {
	opts, database, err := parseDSN(dsn)
	if err != nil {
		return err
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return fmt.Errorf("store %s: %w", redact(dsn), err)
	}
	defer conn.Close()
	var n uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = $1", database).Scan(&n); err != nil {
		return fmt.Errorf("store %s: %w", redact(dsn), brief(err))
	}
	if n > 0 {
		return nil
	}
	return schema.Apply(ctx, conn, schema.Options{Database: database, TTL: schema.DefaultTTL, RollupTTL: schema.DefaultRollupTTL})
}
