package tui

import (
	"cmp"
	"slices"

	"github.com/pitot-io/pitot/tui/store"
)

// services is the view of rates, errors and latencies by service and route.
type services struct {
	*Look
	outline[serviceRow]
	snap *store.Snapshot
}

// serviceRow is a service, or with route one of its routes.
type serviceRow struct {
	key     string
	service *store.Service
	route   *store.Route
}

func (r serviceRow) id() string { return r.key }

func (r *serviceRow) stats() *store.Stats {
	if r.route != nil {
		return &r.route.Stats
	}
	return &r.service.Stats
}

func newServices(l *Look) *services {
	return &services{Look: l, outline: newOutline[serviceRow]("rate", "errors", "p50", "p95", "p99", "name"), snap: new(store.Snapshot)}
}

func (v *services) Name() string       { return "Services" }
func (v *services) Parts() store.Parts { return store.PartServices }

func serviceColumns(w int) []column {
	trend := min(2*store.TrendSlots, max(8, (w-70)/2))
	return []column{
		{title: "SERVICE / ROUTE", sort: "name"},
		{title: "PROTO", width: 5, from: 60},
		{title: "RATE/s", width: 7, right: true, sort: "rate"},
		{title: "TREND", width: trend, from: 80},
		{title: "ERR%", width: 6, right: true, sort: "errors"},
		{title: "P50", width: 6, right: true, from: 80, sort: "p50"},
		{title: "P95", width: 6, right: true, sort: "p95"},
		{title: "P99", width: 6, right: true, from: 60, sort: "p99"},
		{title: "MAX", width: 6, right: true, from: 110},
		{title: "CALLS", width: 7, right: true, from: 100},
		{title: "ERRORS", width: 7, right: true, from: 130},
		{title: "BYTES/s", width: 8, right: true, from: 140},
	}
}

func (v *services) Show(s *store.Snapshot) {
	v.snap, v.rows = s, v.rows[:0]
	sorted := slices.Clone(s.Services)
	slices.SortStableFunc(sorted, func(a, b store.Service) int { return v.order(a.Name, b.Name, &a.Stats, &b.Stats) })
	for i := range sorted {
		sv := &sorted[i]
		key := sv.Name + "\x00" + protocol(sv.Protocol)
		v.rows = append(v.rows, serviceRow{key: key, service: sv})
		if v.folded[key] {
			continue
		}
		routes := slices.Clone(sv.Routes)
		slices.SortStableFunc(routes, func(a, b store.Route) int { return v.order(a.Name, b.Name, &a.Stats, &b.Stats) })
		for j := range routes {
			v.rows = append(v.rows, serviceRow{key + "\x00" + routes[j].Name, sv, &routes[j]})
		}
	}
	v.settle()
}

func (v *services) order(an, bn string, a, b *store.Stats) int {
	c := 0
	switch v.sort {
	case "rate":
		c = cmp.Compare(b.N, a.N)
	case "errors":
		c = cmp.Compare(b.ErrorShare(), a.ErrorShare())
	case "p50":
		c = cmp.Compare(b.P50, a.P50)
	case "p95":
		c = cmp.Compare(b.P95, a.P95)
	case "p99":
		c = cmp.Compare(b.P99, a.P99)
	case "name":
		c = cmp.Compare(an, bn)
	}
	return v.turned(c)
}

func (v *services) Render(w, h int) string {
	cols := serviceColumns(w)
	return v.body(&v.list, w, h, v.heading(cols, w, v.sort, v.reverse), func(i int) string { return v.rowAt(cols, w, i) },
		"no requests in this window, counted since this was opened", nil)
}

func (v *services) rowAt(cols []column, w, i int) string {
	r := v.rows[i]
	st := r.stats()
	name := v.open + clean(r.service.Name)
	proto := protocol(r.service.Protocol)
	switch {
	case r.route != nil:
		name, proto = "    "+clean(r.route.Name), ""
	case v.folded[r.key]:
		name = v.shut + clean(r.service.Name)
	}
	errs := plain(percent(st.ErrorShare()))
	mark := " "
	switch {
	case st.ErrorShare() >= 0.05:
		mark, errs.style = "x", &v.bad
	case st.ErrorShare() >= 0.005:
		mark, errs.style = "!", &v.warn
	}
	trend := cols[3].width
	return v.row(cols, w, mark, i == v.cur, []cell{
		plain(name), plain(proto), plain(number(st.Rate)), {v.trend(st.Trend[:], trend), &v.good}, errs,
		plain(duration(st.P50)), plain(duration(st.P95)), plain(duration(st.P99)), plain(duration(st.Max)),
		plain(number(float64(st.N))), plain(number(float64(st.Errors))), plain(number(float64(st.Bytes) / max(1, v.snap.Elapsed.Seconds()))),
	})
}

func (v *services) Key(k string) (a Action, ok bool) {
	if v.key(k) {
		return a, true
	}
	if v.resort(k) {
		v.Show(v.snap)
		return a, true
	}
	switch k {
	case "enter", "h", "left", "l", "right":
		return v.openRow(k)
	}
	return a, false
}

// openRow folds a service and unfolds it; a route is opened in Live.
func (v *services) openRow(k string) (a Action, ok bool) {
	if v.cur >= len(v.rows) {
		return a, true
	}
	r := v.rows[v.cur]
	if r.route != nil && k == "enter" {
		return v.drill(r), true
	}
	key := r.service.Name + "\x00" + protocol(r.service.Protocol)
	v.folded[key] = k == "h" || k == "left" || k == "enter" && !v.folded[key]
	if v.folded[key] {
		v.at = key
	}
	v.Show(v.snap)
	return a, true
}

func (v *services) drill(r serviceRow) Action {
	f := equals("protocol", r.service.Protocol.String())
	if protocol(r.service.Protocol) == "http" {
		f = "protocol:http"
	}
	if r.route.Name != store.Other {
		f += " " + equals("name", r.route.Name)
	}
	return Action{Open: "Live", Filter: f}
}

func (v *services) Keys() []Binding {
	return []Binding{
		{"enter", "route: show its requests in Live; service: fold"},
		{"h l, left right", "fold, unfold the service"},
		{"s S", "sort by the next column, reverse"},
	}
}

func (v *services) Export() Table {
	t := Table{Head: append([]string{"service", "route", "protocol"}, statsHead()...)}
	for _, r := range v.rows {
		st, route := r.stats(), ""
		if r.route != nil {
			route = r.route.Name
		}
		t.Rows = append(t.Rows, append([]any{r.service.Name, route, protocol(r.service.Protocol)}, exportStats(st)...))
	}
	return t
}

// exportStats are the columns that statsHead names.
func exportStats(s *store.Stats) []any {
	return []any{s.N, s.Rate, s.Errors, int64(s.P50), int64(s.P95), int64(s.P99), int64(s.Max), s.Bytes}
}

func statsHead() []string {
	return []string{"calls", "rate", "errors", "p50_ns", "p95_ns", "p99_ns", "max_ns", "bytes"}
}
