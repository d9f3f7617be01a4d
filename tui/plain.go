package tui

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// runPlain writes a line per event: for pipes and screen readers.
func runPlain(ctx context.Context, o Options) error {
	w := bufio.NewWriter(o.Output)
	for {
		select {
		case <-ctx.Done():
			return nil
		case b, ok := <-o.Batches:
			if !ok {
				return nil
			}
			writePlain(w, b, o)
			if err := w.Flush(); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
	}
}

func writePlain(w *bufio.Writer, b *event.Batch, o Options) {
	for i := range b.Exchanges {
		if x := &b.Exchanges[i]; o.Filter.Match(x) {
			fmt.Fprintln(w, plainLine(x, o.Zone))
		}
	}
	for i := range b.Notices {
		n := &b.Notices[i]
		fmt.Fprintf(w, "%s %s %s: %s\n", time.Unix(0, n.Time).In(o.Zone).Format("15:04:05.000"), n.Severity,
			strings.TrimPrefix(clean(n.Name), "pitot.event."), clean(n.Body))
	}
}

func plainLine(x *event.Exchange, zone *time.Location) string {
	outcome := clean(statusOf(x))
	if x.Status == event.Error {
		outcome = "error " + outcome
	}
	s := fmt.Sprintf("%s %s %s %s %s %s %s bytes", time.Unix(0, x.Start).In(zone).Format("15:04:05.000"), protocolOf(x),
		clean(serviceOf(x)), clean(operation(x)), outcome, duration(time.Duration(x.Duration())), number(float64(size(x))))
	if x.Mongo != nil && x.Mongo.Site.Name != "" {
		s += " from " + site(x)
	}
	return s
}
