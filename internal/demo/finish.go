package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// facts are what the report tells.
type facts struct {
	red, sites table
	answers    []answered
	counters   counters
	rows       uint64 // in the store
	shopRows   uint64 // of the shop's own spans among them
	load       LoadResult
	mongo      string
}

// answered is a question with its query and its answer.
type answered struct {
	question, sql string
	table         table
}

// The report's queries. Spans of pitot's server side count requests once; MongoDB's are told from the client's side.
const (
	redSQL = `SELECT ServiceName AS service, if(Protocol = 'http', 'http/' || SpanAttributes['network.protocol.version'], Protocol) AS protocol, SpanName AS route, count() AS calls,
 round(100 * countIf(StatusCode = 'Error') / count(), 1) AS "err %",
 round(quantile(0.5)(Duration) / 1e6, 1) AS p50, round(quantile(0.95)(Duration) / 1e6, 1) AS p95, round(quantile(0.99)(Duration) / 1e6, 1) AS p99
FROM otel_traces WHERE SpanKind = 'Server' OR Protocol = 'mongodb'
GROUP BY service, protocol, route ORDER BY protocol, service, calls DESC LIMIT 9 BY service, protocol`

	sitesSQL = `SELECT CallSite AS "call site", DbOperation AS op, DbCollection AS collection, count() AS calls,
 round(sum(Duration) / 1e6) AS "sum ms", round(quantile(0.95)(Duration) / 1e6, 1) AS p95, countIf(StatusCode = 'Error') AS errors
FROM otel_traces WHERE Protocol = 'mongodb' AND CallSite != ''
GROUP BY CallSite, op, collection ORDER BY sum(Duration) DESC LIMIT 10`

	rowsSQL = `SELECT count() FROM otel_traces`
	shopSQL = `SELECT count() FROM otel_traces WHERE SpanKind = 'Server' AND ServiceName = 'shop'`
)

// questions are three that history answers and no log line does.
func questions() []answered {
	return []answered{
		{question: "Which line of code asks one by one (N+1)?", sql: `SELECT CallSite AS "call site", DbCollection AS collection,
  count() AS traces, max(n) AS worst, round(avg(n), 1) AS "a trace"
FROM (SELECT TraceId, CallSite, DbCollection, QueryShape, count() AS n
      FROM otel_traces WHERE DbOperation = 'find' AND CallSite != ''
      GROUP BY ALL HAVING n >= 5)
GROUP BY ALL ORDER BY traces DESC LIMIT 3`},
		{question: "Which endpoint of the orders service is the slow one?", sql: `SELECT UpstreamHost AS endpoint, count() AS calls,
  round(quantile(0.5)(Duration) / 1e6, 1) AS "p50 ms",
  round(quantile(0.95)(Duration) / 1e6, 1) AS "p95 ms"
FROM otel_traces WHERE Cluster = 'orders' AND SpanKind = 'Client'
GROUP BY endpoint ORDER BY "p50 ms" DESC LIMIT 4`},
		{question: "What goes wrong, and where?", sql: `SELECT ServiceName AS service, SpanName AS route,
  SpanAttributes['error.type'] AS error, count() AS times
FROM otel_traces WHERE StatusCode = 'Error'
  AND (SpanKind = 'Server' OR Protocol = 'mongodb')
GROUP BY ALL ORDER BY times DESC LIMIT 6`},
	}
}

// finish lets the last spans arrive, asks for the facts and prints them.
func (d *demo) finish(ctx context.Context) error {
	// The services close their connections first: what was under way on them then has its end, and is counted.
	for _, name := range []string{"shop", "orders-2", "orders-1"} {
		if err := d.children.stopNamed(name, stopTimeout); err != nil {
			return err
		}
	}
	f, err := d.gather(ctx)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	f.write(&page)
	if _, err := d.Out.Write(page.Bytes()); err != nil {
		return fmt.Errorf("demo: print the report: %w", err)
	}
	return f.disagreement()
}

func (d *demo) gather(ctx context.Context) (facts, error) {
	f := facts{mongo: d.mongo, answers: questions()}
	var err error
	if f.load, err = d.loadResult(); err != nil {
		return f, err
	}
	if err := d.settle(ctx, &f); err != nil {
		return f, err
	}
	for into, sql := range map[*table]string{&f.red: redSQL, &f.sites: sitesSQL, &f.answers[0].table: f.answers[0].sql, &f.answers[1].table: f.answers[1].sql, &f.answers[2].table: f.answers[2].sql} {
		if *into, err = ask(ctx, d.at.store, sql); err != nil {
			return f, err
		}
	}
	f.shopRows, err = number(ctx, d.at.store, shopSQL)
	return f, err
}

// settle waits until nothing more arrives in the store: pitot has seen the same twice and the store has it all.
func (d *demo) settle(ctx context.Context, f *facts) error {
	last, reached := uint64(0), false
	err := await(ctx, drainTimeout, func(ctx context.Context) error {
		var err error
		if f.counters, err = readCounters(ctx, d.at.admin); err != nil {
			return err
		}
		if f.rows, err = number(ctx, d.at.store, rowsSQL); err != nil {
			return err
		}
		reached = true
		still := f.counters.seen == last
		last = f.counters.seen
		if !still || f.rows < f.counters.seen {
			return errors.New("spans are still on their way")
		}
		return nil
	})
	if reached && ctx.Err() == nil {
		return nil // the report tells what did not arrive
	}
	return err
}

// disagreement says which numbers of the report should be equal and are not.
func (f facts) disagreement() error {
	var errs []error
	wrong := func(format string, a ...any) { errs = append(errs, fmt.Errorf("demo: "+format, a...)) }
	if f.counters.seen != f.rows {
		wrong("%d spans seen and %d rows in the store: these should be equal", f.counters.seen, f.rows)
	}
	if f.counters.dropped != 0 {
		wrong("%d spans lost", f.counters.dropped)
	}
	if f.counters.failed != 0 {
		wrong("%d connections could not be decoded", f.counters.failed)
	}
	if f.shopRows != uint64(f.load.Requests) {
		wrong("the load made %d requests and pitot has %d of the shop: these should be equal", f.load.Requests, f.shopRows)
	}
	if f.load.Failed != 0 {
		wrong("%d requests got no answer", f.load.Failed)
	}
	if len(f.red.rows) == 0 || len(f.sites.rows) == 0 {
		wrong("the store has no routes or no call sites")
	}
	return errors.Join(errs...)
}
