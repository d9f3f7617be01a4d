package clickhouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/clickhouse/schema"
)

// failed tells errors that a retry may mend from those it cannot: connections, overload, memory and disk recover, a table of another
// shape or a refused user do not. Tables that are gone (a new, empty store at the old address) are made again first.
func (s *Sink) failed(ctx context.Context, err error) error {
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		return fmt.Errorf("clickhouse %s: %w", s.addr, brief(err))
	}
	switch e.Code {
	case 60, 81: // UNKNOWN_TABLE, UNKNOWN_DATABASE
		return fmt.Errorf("clickhouse %s: %w", s.addr, errors.Join(brief(err), schema.Apply(ctx, s.conn, s.schema)))
	case 6, 10, 16, 20, 26, 27, 33, 38, 41, 43, 44, 47, 50, 53, 62, 70, 73, // parsing, columns, types, syntax
		115, 117, 164, 192, 193, 194, 349, 497, 516: // settings, data, read-only user, users and access, NULL
		return sink.Permanent(fmt.Errorf("clickhouse %s: %w", s.addr, brief(err)))
	}
	return fmt.Errorf("clickhouse %s: %w", s.addr, brief(err))
}
