package tui

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tui/store"
)

// liveRows is how many of the newest exchanges one can go back through.
const liveRows = 1000

// live is the view of the newest exchanges, the newest at the bottom.
type live struct {
	*Look
	list
	rows   []*event.Exchange
	follow bool
	detail bool
	zoom   bool
	sort   string
	chosen *event.Exchange
}

func newLive(l *Look) *live { return &live{Look: l, follow: true, sort: "time"} }

func (v *live) Name() string       { return "Live" }
func (v *live) Parts() store.Parts { return store.PartRecent }

var liveSorts = [...]string{"time", "duration", "bytes"}

func liveColumns(w int) []column {
	return []column{
		{title: "TIME", width: 12, sort: "time"},
		{title: "PROTO", width: 5, from: 60},
		{title: "SERVICE", width: 14, from: 120},
		{title: "OPERATION"},
		{title: "STATUS", width: 7},
		{title: "DUR", width: 6, right: true, sort: "duration"},
		{title: "BYTES", width: 6, right: true, from: 60, sort: "bytes"},
		{title: "SITE", width: max(16, min(w/5, 40)), from: 80},
		{title: "CLIENT", width: 21, from: 140},
		{title: "SERVER", width: 21, from: 165},
		{title: "TRACE", width: 8, from: 185},
	}
}

func (v *live) Show(s *store.Snapshot) {
	v.rows = slices.Clone(s.Recent)
	switch v.sort {
	case "duration":
		slices.SortStableFunc(v.rows, func(a, b *event.Exchange) int { return cmp.Compare(a.Duration(), b.Duration()) })
	case "bytes":
		slices.SortStableFunc(v.rows, func(a, b *event.Exchange) int { return cmp.Compare(size(a), size(b)) })
	}
	v.set(len(v.rows))
	if i := slices.Index(v.rows, v.chosen); i >= 0 && !v.follow {
		v.top += i - v.cur
		v.cur = i
	}
	if v.follow {
		v.to(len(v.rows) - 1)
	}
	v.note()
}

func (v *live) note() {
	v.chosen = nil
	if v.cur < len(v.rows) {
		v.chosen = v.rows[v.cur]
	}
}

func size(x *event.Exchange) int64 { return x.RequestBytes + x.ResponseBytes }

func (v *live) Render(w, h int) string {
	if v.detail && v.chosen != nil && (v.zoom || h < 14) {
		return lines(v.pane(w, h), w, h)
	}
	table := h
	if v.detail && v.chosen != nil {
		table = max(5, h*2/5)
	}
	cols := liveColumns(w)
	out := []string{v.heading(cols, w, v.sort, false)}
	from, to := v.window(table - 1)
	for i := from; i < to; i++ {
		out = append(out, v.exchange(cols, w, i))
	}
	if len(v.rows) == 0 {
		out = append(out, v.faint.Render("  nothing seen yet that fits the filter"))
	}
	for len(out) < table {
		out = append(out, "")
	}
	if table < h {
		out = append(out, v.pane(w, h-table)...)
	}
	return lines(out, w, h)
}

func (v *live) exchange(cols []column, w, i int) string {
	x := v.rows[i]
	st := plain(clean(statusOf(x)))
	if x.Status == event.Error {
		st.style = &v.bad
	}
	return v.row(cols, w, sign(x), i == v.cur, []cell{
		plain(time.Unix(0, x.Start).In(v.zone).Format("15:04:05.000")), plain(protocolOf(x)), plain(clean(serviceOf(x))), plain(clean(operation(x))), st,
		plain(duration(time.Duration(x.Duration()))), plain(number(float64(size(x)))), plain(site(x)),
		plain(address(x.Client)), plain(address(x.Server)), plain(trace(x)),
	})
}

func (v *live) Key(k string) (a Action, ok bool) {
	if v.list.key(k) {
		v.follow = k == "G" || k == "end" || v.follow && v.cur == v.n-1
		v.note()
		return a, true
	}
	switch {
	case k == "enter" && v.chosen != nil:
		v.detail, v.follow = true, false
	case k == "esc" && v.detail:
		v.detail, v.zoom = false, false
	case k == "z" && v.detail:
		v.zoom = !v.zoom
	case k == "f":
		v.follow = !v.follow
	case k == "s":
		v.sort = next(liveSorts[:], v.sort)
	default:
		return a, false
	}
	if v.follow {
		v.to(v.n - 1)
		v.note()
	}
	return a, true
}

func (v *live) Click(line int) {
	if v.click(line) {
		v.follow = v.cur == v.n-1 && v.follow
		v.note()
	}
}

func (v *live) Keys() []Binding {
	return []Binding{
		{"enter", "details of the exchange; esc closes them, z gives them the screen"},
		{"f G", "follow the newest"},
		{"s", "sort by time, duration, bytes"},
	}
}

func (v *live) Export() Table {
	t := Table{Head: []string{"start", "protocol", "service", "name", "status", "code", "duration_ns", "request_bytes", "response_bytes", "call_site", "client", "server", "trace_id"}}
	for _, x := range v.rows {
		t.Rows = append(t.Rows, []any{
			time.Unix(0, x.Start).UTC().Format(time.RFC3339Nano), x.Protocol.String(), x.Service, x.Name, x.Status.String(), statusOf(x),
			x.Duration(), x.RequestBytes, x.ResponseBytes, site(x), address(x.Client), address(x.Server), traceID(x),
		})
	}
	return t
}

// JSONLines is the view in the form of pitot's JSON Lines.
func (v *live) JSONLines() (b []byte) {
	for _, x := range v.rows {
		b = x.AppendJSON(b)
	}
	return b
}

func serviceOf(x *event.Exchange) string {
	if x.Service == "" {
		return "-"
	}
	return x.Service
}

// operation is the name; of an upstream attempt it says which.
func operation(x *event.Exchange) string {
	switch {
	case x.Kind != event.Client || x.Mongo != nil:
		return x.Name
	case x.Attempt > 0:
		return "-> try " + strconv.Itoa(int(x.Attempt)+1) + " " + x.Name
	}
	return "-> " + x.Name
}
