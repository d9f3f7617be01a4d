package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// counters are pitot's own numbers, from its admin port.
type counters struct {
	seen    uint64 // exchanges that pitot has made spans of
	dropped uint64 // anywhere on the way to the store
	failed  uint64 // decoders that got lost
}

// storeSink is the name of the sink that writes to the store.
const storeSink = "clickhouse"

// readCounters asks pitot at the admin address.
func readCounters(ctx context.Context, admin string) (counters, error) {
	b, err := get(ctx, "http://"+admin+"/stats?format=json")
	if err != nil {
		return counters{}, fmt.Errorf("demo: pitot's counters: %w", err)
	}
	var all struct {
		Stats []struct {
			Name  string
			Value uint64
		}
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return counters{}, fmt.Errorf("demo: pitot's counters: %w", err)
	}
	var c counters
	sinks := 0
	for _, s := range all.Stats {
		switch s.Name {
		case "pitot.exchanges_seen":
			c.seen = s.Value
		case "pitot.decode_failures":
			c.failed = s.Value
		case "sink." + storeSink + ".written":
			sinks++
		case "sink." + storeSink + ".dropped", "sink." + storeSink + ".failed": // the first counts its queue too
			c.dropped += s.Value
		}
	}
	if sinks == 0 {
		return c, fmt.Errorf("demo: pitot writes to no store: its /stats names no sink.%s", storeSink)
	}
	return c, nil
}

// table is the answer to a query: the columns' names, and the rows as text.
type table struct {
	names []string
	rows  [][]string
}

// ask runs one query on the store.
func ask(ctx context.Context, store, sql string) (table, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+store+"/?default_format=JSONCompactStrings&database=pitot", strings.NewReader(sql))
	if err != nil {
		return table{}, err
	}
	b, err := fetch(req)
	if err != nil {
		return table{}, fmt.Errorf("demo: %s: %w", sql, err)
	}
	var a struct {
		Meta []struct{ Name string }
		Data [][]string
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return table{}, fmt.Errorf("demo: %s: %w", sql, err)
	}
	t := table{rows: a.Data}
	for _, m := range a.Meta {
		t.names = append(t.names, m.Name)
	}
	return t, nil
}

// number asks for one number.
func number(ctx context.Context, store, sql string) (uint64, error) {
	t, err := ask(ctx, store, sql)
	if err != nil {
		return 0, err
	}
	if len(t.rows) != 1 || len(t.rows[0]) != 1 {
		return 0, fmt.Errorf("demo: %s: no single value", sql)
	}
	var n uint64
	if _, err := fmt.Sscan(t.rows[0][0], &n); err != nil {
		return 0, fmt.Errorf("demo: %s: %q is no number", sql, t.rows[0][0])
	}
	return n, nil
}
