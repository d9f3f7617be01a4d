//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// connect opens clickhouse-go over HTTP.
func connect(t *testing.T, method clickhouse.CompressionMethod) clickhouse.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{open(t).Addr()}, Protocol: clickhouse.HTTP, Compression: &clickhouse.Compression{Method: method, Level: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestClickHouseGoRoundTrip(t *testing.T) {
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD, clickhouse.CompressionGZIP, clickhouse.CompressionBrotli} {
		t.Run(method.String(), func(t *testing.T) {
			rows := 1000
			if method == clickhouse.CompressionLZ4 {
				rows = 70_000 // more than one block of a result
			}
			roundTrip(t, connect(t, method), rows)
		})
	}
}

func roundTrip(t *testing.T, conn clickhouse.Conn, rows int) {
	ctx := t.Context()
	if err := conn.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	const ddl = `CREATE OR REPLACE TABLE trip (At DateTime64(9), Name LowCardinality(String), Attrs Map(LowCardinality(String), String),
		Tags Array(String), N Nullable(Int32)) ENGINE = MergeTree ORDER BY At`
	if err := conn.Exec(ctx, ddl); err != nil {
		t.Fatal(err)
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO trip (At, Name, Attrs, Tags, N)")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for i := range rows {
		if err := batch.Append(at.Add(time.Duration(i)), "name", map[string]string{"k": "v"}, []string{"a", "b"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	got, err := conn.Query(ctx, "SELECT At, Name, Attrs, Tags, N FROM trip WHERE Name = $1 ORDER BY At", "name")
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	n := 0
	for ; got.Next(); n++ {
		var (
			gotAt time.Time
			name  string
			attrs map[string]string
			tags  []string
			null  *int32
		)
		if err := got.Scan(&gotAt, &name, &attrs, &tags, &null); err != nil {
			t.Fatal(err)
		}
		if !gotAt.Equal(at.Add(time.Duration(n))) || name != "name" || attrs["k"] != "v" || !reflect.DeepEqual(tags, []string{"a", "b"}) || null != nil {
			t.Fatalf("row %d: %v %q %v %v %v", n, gotAt, name, attrs, tags, null)
		}
	}
	if err := got.Err(); err != nil || n != rows {
		t.Fatalf("%d rows, %v", n, err)
	}
}

func TestClickHouseGoSeesCodes(t *testing.T) {
	conn := connect(t, clickhouse.CompressionLZ4)
	var e *clickhouse.Exception
	if err := conn.Exec(t.Context(), "SELECT * FROM nowhere.at_all"); !errors.As(err, &e) || e.Code != 81 {
		t.Fatalf("got %v", err)
	}
	if _, err := conn.PrepareBatch(t.Context(), "INSERT INTO no_such_table (a)"); !errors.As(err, &e) || e.Code != 60 {
		t.Fatalf("got %v", err)
	}
	rows, err := conn.Query(t.Context(), "SELECT throwIf(number = 300000), repeat('x', 100) FROM numbers(400000) SETTINGS max_block_size = 10000, max_threads = 1")
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
	}
	if !errors.As(err, &e) || e.Code != 395 {
		t.Fatalf("late failure: got %v", err)
	}
}

func TestClickHouseGoEmptyResult(t *testing.T) {
	rows, err := connect(t, clickhouse.CompressionNone).Query(t.Context(), "SELECT number FROM numbers(10) WHERE number > 10")
	if err != nil || rows.Next() || rows.Err() != nil {
		t.Fatalf("%v %v", err, rows.Err())
	}
}
