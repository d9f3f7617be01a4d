package clickhouse

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// queries are the sql blocks of the cookbook.
func queries(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/sql-cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, part := range strings.Split(string(text), "```sql\n")[1:] {
		sql, _, ok := strings.Cut(part, "```")
		if !ok {
			t.Fatal("an sql block does not end")
		}
		all = append(all, strings.TrimSuffix(strings.TrimSpace(sql), ";"))
	}
	return all
}

// shopTraffic has something for every question of the cookbook: a route that got slower, a retry storm, an N+1, two captures.
func shopTraffic(now time.Time) (all []*event.Exchange) {
	n := 0
	add := func(x *event.Exchange) {
		n++
		x.SpanID = event.SpanID{9, byte(n >> 8), byte(n)}
		all = append(all, x)
	}
	for i := range 120 {
		for hour, ms := range map[int]int64{0: 90, 1: 10} {
			x := httpSpan(i, now.Add(-time.Duration(hour)*time.Hour-time.Minute))
			x.End, x.Capture, x.Cluster = x.Start+ms*1e6, "", ""
			add(x)
		}
		x := httpSpan(i, now.Add(-time.Minute))
		x.Kind, x.Capture, x.Attempt, x.Endpoint = event.Client, "", uint8(i%2), fmt.Sprintf("10.0.0.%d:80", i%3)
		x.End = x.Start + int64(1+i%3)*1e7
		add(x)
		a := httpSpan(i, now.Add(-time.Minute))
		a.Capture = []string{"a", "b"}[i%2]
		add(a)
		add(webSpan(i, now.Add(-time.Minute)))
		m := mongoSpan(1, now.Add(-time.Minute))
		m.Mongo.Transaction, m.Mongo.Session, m.Mongo.TxnNumber = event.TxnIn, "0af7", int64(i%7)
		add(m)
	}
	return all
}

func TestCookbookAnswersEveryQuestion(t *testing.T) {
	s := openSink(t, "pitot", nil)
	if err := s.Write(t.Context(), batchOf(shopTraffic(time.Now())...)); err != nil {
		t.Fatal(err)
	}
	all := queries(t)
	if len(all) != 12 {
		t.Fatalf("%d questions", len(all))
	}
	for i, sql := range all {
		sql = strings.ReplaceAll(sql, "TRACE_ID", "04010000000000000000000000000000")
		rows, err := s.conn.Query(t.Context(), sql)
		if err != nil {
			t.Errorf("question %d: %v", i+1, err)
			continue
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err != nil || n == 0 {
			t.Errorf("question %d: %d rows, %v", i+1, n, err)
		}
		_ = rows.Close()
	}
}
