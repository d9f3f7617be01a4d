package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tap"
)

// tapQueue is how many batches wait for one reader; what comes while it is
// full is dropped and counted.
const tapQueue = 64

// lossEvery is how often a tap that lost something says so.
const lossEvery = time.Second

// stream is one reader of /tap.
type stream struct {
	w      http.ResponseWriter
	sub    *tap.Subscription
	filter *filter.Filter
	events bool // notices too
	limit  int  // exchanges to go; negative for no limit
	length time.Duration

	buf  []byte
	told uint64 // of the loss
}

func (s *Server) tap(w http.ResponseWriter, r *http.Request) {
	switch format := r.URL.Query().Get("format"); format {
	case "", "json":
	case "pcapng":
		s.tapPlain(w, r)
		return
	default:
		http.Error(w, fmt.Sprintf("format: %q is not valid; must be json or pcapng", format), http.StatusBadRequest)
		return
	}
	t, err := newStream(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	t.w = w
	t.sub = s.o.Hub.Subscribe("tap "+r.RemoteAddr, tapQueue, false)
	defer t.sub.Close()
	w.Header().Set("Content-Type", "application/jsonl; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if t.events && s.o.Standing != nil {
		for _, n := range s.o.Standing(time.Now()) {
			t.buf = n.AppendJSON(t.buf)
		}
	}
	t.run(ctx)
}

// shorthands are parameters that stand for a term of the filter.
var shorthands = []struct{ param, term string }{
	{"protocol", "protocol:"}, {"service", "service:"}, {"status", "status:"},
	{"min_duration", "duration>="}, {"path", "path:"}, {"call_site", "call_site:"},
}

func newStream(q url.Values) (*stream, error) {
	t := &stream{limit: -1, length: 1<<63 - 1}
	expression := q.Get("filter")
	for _, s := range shorthands {
		if v := q.Get(s.param); v != "" {
			expression += " " + s.term + quote(v)
		}
	}
	var err error
	if t.filter, err = filter.Parse(strings.TrimSpace(expression)); err != nil {
		return nil, fmt.Errorf("filter %q: %w", expression, err)
	}
	t.events = strings.TrimSpace(expression) == ""
	if v := q.Get("events"); v != "" {
		if t.events, err = strconv.ParseBool(v); err != nil {
			return nil, fmt.Errorf("events: %q is not valid; must be true or false", v)
		}
	}
	if v := q.Get("limit"); v != "" {
		if t.limit, err = strconv.Atoi(v); err != nil || t.limit < 1 {
			return nil, fmt.Errorf("limit: %q is not valid; must be a whole number from 1", v)
		}
	}
	if v := q.Get("for"); v != "" {
		if t.length, err = time.ParseDuration(v); err != nil || t.length <= 0 {
			return nil, fmt.Errorf("for: %q is not valid; must be a time such as 10s or 5m", v)
		}
	}
	return t, nil
}

// quote makes any text a value of a filter.
func quote(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// run writes until the reader goes, the limit or the time is reached, or ctx
// or the hub ends.
func (t *stream) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, t.length)
	defer cancel()
	tick := time.NewTicker(lossEvery)
	defer tick.Stop()
	for t.flush() {
		select {
		case b, open := <-t.sub.C():
			if !open {
				t.finish()
				return
			}
			t.batch(b)
			if t.limit == 0 {
				t.finish()
				return
			}
		case <-tick.C:
			t.loss()
		case <-ctx.Done():
			t.finish()
			return
		}
	}
}

// finish tells the last loss.
func (t *stream) finish() {
	t.loss()
	t.flush()
}

// batch adds what the filter lets through.
func (t *stream) batch(b *event.Batch) {
	for i := range b.Exchanges {
		if t.limit == 0 {
			return
		}
		if x := &b.Exchanges[i]; t.filter.Match(x) {
			t.buf = x.AppendJSON(t.buf)
			t.limit--
		}
	}
	if !t.events {
		return
	}
	for i := range b.Notices {
		t.buf = b.Notices[i].AppendJSON(t.buf)
	}
}

// loss adds a line when something was dropped since the last one.
func (t *stream) loss() {
	dropped := t.sub.Dropped()
	if dropped == t.told {
		return
	}
	n := event.Notice{
		Time: time.Now().UnixNano(), Name: event.EventLoss, Severity: event.Warn,
		Body: fmt.Sprintf("this reader was too slow for %d exchanges", dropped-t.told),
		Attributes: []event.KeyValue{
			{Key: "place", Value: "tap"},
			{Key: "lost", Value: strconv.FormatUint(dropped-t.told, 10)},
			{Key: "lost_total", Value: strconv.FormatUint(dropped, 10)},
		},
	}
	t.told = dropped
	t.buf = n.AppendJSON(t.buf)
}

// flush sends what there is; it reports false when the reader has gone.
func (t *stream) flush() bool {
	if len(t.buf) > 0 {
		if _, err := t.w.Write(t.buf); err != nil {
			return false
		}
		t.buf = t.buf[:0]
	}
	return http.NewResponseController(t.w).Flush() == nil
}
