package tui

import (
	"slices"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tui/store"
)

// events is the view of what was decided or went wrong beside the exchanges, the
// newest at the bottom.
type events struct {
	*Look
	list
	all    []event.Notice
	rows   []event.Notice
	follow bool
	detail bool
	worse  bool // warnings and errors only
	chosen int64
}

func newEvents(l *Look) *events { return &events{Look: l, follow: true} }

func (v *events) Name() string       { return "Events" }
func (v *events) Parts() store.Parts { return 0 }

func eventColumns(w int) []column {
	return []column{
		{title: "TIME", width: 12},
		{title: "EVENT", width: max(14, min(w/5, 28))},
		{title: "CLUSTER", width: 14, from: 130},
		{title: "ENDPOINT", width: 21, from: 150},
		{title: "WHAT"},
	}
}

func (v *events) Show(s *store.Snapshot) {
	v.all = s.Notices
	v.arrange()
}

func (v *events) arrange() {
	v.rows = v.rows[:0]
	for i := range v.all {
		if !v.worse || v.all[i].Severity > event.Info {
			v.rows = append(v.rows, v.all[i])
		}
	}
	v.set(len(v.rows))
	if v.follow {
		v.to(len(v.rows) - 1)
	} else if i := slices.IndexFunc(v.rows, func(n event.Notice) bool { return n.Time == v.chosen }); i >= 0 {
		v.top += i - v.cur
		v.cur = i
	}
	v.note()
}

func (v *events) note() {
	v.chosen = 0
	if v.cur < len(v.rows) {
		v.chosen = v.rows[v.cur].Time
	}
}

func (v *events) Render(w, h int) string {
	var pane []string
	if v.detail && v.cur < len(v.rows) {
		pane = v.pane(w)
		pane = pane[:min(len(pane), max(h-5, h/2))]
	}
	cols := eventColumns(w)
	return v.body(&v.list, w, h, v.heading(cols, w, "", false), func(i int) string { return v.rowAt(cols, w, i) },
		"nothing but exchanges so far", pane)
}

func (v *events) rowAt(cols []column, w, i int) string {
	n := &v.rows[i]
	name, mark := cell{text: eventName(n)}, " "
	switch n.Severity {
	case event.Warn:
		name.style, mark = &v.warn, "!"
	case event.Critical:
		name.style, mark = &v.bad, "x"
	}
	return v.row(cols, w, mark, i == v.cur, []cell{
		plain(time.Unix(0, n.Time).In(v.zone).Format("15:04:05.000")), name, plain(clean(said(n, event.AttrCluster))),
		plain(clean(said(n, event.AttrPeerAddress))), plain(clean(n.Body)),
	})
}

func eventName(n *event.Notice) string { return strings.TrimPrefix(clean(n.Name), "pitot.event.") }

// said is the value of an attribute.
func said(n *event.Notice, key string) string {
	for _, kv := range n.Attributes {
		if kv.Key == key {
			return kv.Value
		}
	}
	return ""
}

// pane is all that an event says.
func (v *events) pane(w int) []string {
	n := &v.rows[v.cur]
	out := []string{v.faint.Render(strings.Repeat(v.line, w))}
	out = append(out, "  "+v.head.Render(eventName(n))+"  "+time.Unix(0, n.Time).In(v.zone).Format("2006-01-02 15:04:05.000000")+"  "+n.Severity.String(), "  "+clean(n.Body))
	var keys, values []string
	for _, kv := range n.Attributes {
		keys, values = append(keys, kv.Key), append(values, kv.Value)
	}
	for _, line := range pairs(keys, values, w) {
		out = append(out, "  "+line)
	}
	return out
}

func (v *events) Key(k string) (a Action, ok bool) {
	if v.list.key(k) {
		v.follow = k == "G" || k == "end" || v.follow && v.cur == v.n-1
		v.note()
		return a, true
	}
	switch {
	case k == "enter" && v.cur < len(v.rows):
		v.detail, v.follow = !v.detail, false
	case k == "esc" && v.detail:
		v.detail = false
	case k == "f":
		v.follow = !v.follow
	case k == "x":
		v.worse = !v.worse
	default:
		return a, false
	}
	v.arrange()
	return a, true
}

func (v *events) Click(line int) {
	if v.click(line) {
		v.follow = v.cur == v.n-1 && v.follow
		v.note()
	}
}

func (v *events) Keys() []Binding {
	return []Binding{
		{"enter", "all that the event says"},
		{"x", "warnings and errors only, or all"},
		{"f G", "follow the newest"},
	}
}

func (v *events) Export() Table {
	t := Table{Head: []string{"time", "name", "severity", "cluster", "endpoint", "body"}}
	for i := range v.rows {
		n := &v.rows[i]
		t.Rows = append(t.Rows, []any{
			time.Unix(0, n.Time).UTC().Format(time.RFC3339Nano), n.Name, n.Severity.String(), said(n, event.AttrCluster), said(n, event.AttrPeerAddress), n.Body,
		})
	}
	return t
}
