package builtin

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/clickhouse"
	"github.com/pitot-io/pitot/sink/jsonl"
)

// SinkOptions say where a run's spans and events go. What is empty is not
// wanted.
type SinkOptions struct {
	StoreDSN string          // of a ClickHouse
	StoreTTL time.Duration   // how long history is kept; 0 for ever
	Stay     bool            // a store that has tables keeps its own retention
	Version  string          // of pitot
	Absent   func(why error) // is told that the store cannot be reached yet; nil: that is an error

	JSONFile string    // - is Stdout
	Stdout   io.Writer // for JSONFile
}

// SinkKind is one entry of Sinks: Open gives nil when the options do not want
// the sink.
type SinkKind struct {
	Name string
	Pump sink.PumpOptions
	Open func(context.Context, SinkOptions) (sink.Sink, error)
}

// Sinks lists every destination.
func Sinks() []SinkKind {
	return []SinkKind{
		{"clickhouse", sink.PumpOptions{}, openStore},
		// Somebody may be watching: lines are not kept back.
		{"json", sink.PumpOptions{BlockRows: 1000, BlockWait: 20 * time.Millisecond}, openJSON},
	}
}

func openStore(ctx context.Context, o SinkOptions) (sink.Sink, error) {
	if o.StoreDSN == "" {
		return nil, nil
	}
	c := clickhouse.DefaultOptions(o.StoreDSN)
	c.TTL, c.Stay, c.Version, c.Absent = o.StoreTTL, o.Stay, o.Version, o.Absent
	s, err := clickhouse.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func openJSON(_ context.Context, o SinkOptions) (sink.Sink, error) {
	switch o.JSONFile {
	case "":
		return nil, nil
	case "-":
		return jsonl.New("standard output", o.Stdout), nil
	}
	s, err := jsonl.Append(o.JSONFile)
	if err != nil {
		return nil, fmt.Errorf("sinks.json.file (--json-file): %w; name a file that can be written", err)
	}
	return s, nil
}
