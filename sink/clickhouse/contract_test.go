package clickhouse

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/pitot-io/pitot/sink/sinktest"
)

// databases numbers the databases of the contract's cases.
var databases atomic.Int32

func TestContract(t *testing.T) {
	sinktest.Contract(t, func(t *testing.T) sinktest.Subject {
		name := fmt.Sprintf("contract_%d", databases.Add(1))
		s := openSink(t, name, nil)
		count := func() int { return int(count(t, s, "SELECT count() FROM "+name+".otel_traces")) }
		witness := openSink(t, name, nil) // counts after the sink has been closed
		return sinktest.Subject{
			Sink: s,
			Rows: func() int {
				s = witness
				return count()
			},
			Break: func() func() {
				if err := witness.conn.Exec(t.Context(), "RENAME TABLE "+name+".otel_traces TO "+name+".away"); err != nil {
					t.Fatal(err)
				}
				return func() {
					_ = witness.conn.Exec(t.Context(), "DROP TABLE IF EXISTS "+name+".otel_traces")
					if err := witness.conn.Exec(t.Context(), "RENAME TABLE "+name+".away TO "+name+".otel_traces"); err != nil {
						t.Fatal(err)
					}
				}
			},
		}
	})
}
