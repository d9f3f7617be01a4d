package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pitot-io/pitot/tui/store"
)

// mongo is the view of collections and the code that uses them.
type mongo struct {
	*Look
	outline[mongoRow]
	snap *store.Snapshot
}

// mongoRow is a collection, or with site one of its call sites.
type mongoRow struct {
	key  string
	coll *store.Collection
	site *store.Site
}

func (r mongoRow) id() string { return r.key }

func (r *mongoRow) stats() *store.Stats {
	if r.site != nil {
		return &r.site.Stats
	}
	return &r.coll.Stats
}

func newMongo(l *Look) *mongo {
	return &mongo{Look: l, outline: newOutline[mongoRow]("time", "calls", "p95", "docs", "errors", "name"), snap: new(store.Snapshot)}
}

func (v *mongo) Name() string       { return "Mongo" }
func (v *mongo) Parts() store.Parts { return store.PartMongo }

func mongoColumns(w int) []column {
	trend := min(2*store.TrendSlots, max(8, (w-90)/3))
	op := 9
	if w >= 110 {
		op = len("commitTransaction")
	}
	return []column{
		{title: "COLLECTION / CALL SITE", sort: "name"},
		{title: "OP", width: op, from: 60},
		{title: "TREND", width: trend, from: 100},
		{title: "TIME", width: 6, right: true, sort: "time"},
		{title: "SHARE", width: 5, right: true, from: 120},
		{title: "CALLS", width: 6, right: true, sort: "calls"},
		{title: "CALLS/s", width: 7, right: true, from: 130},
		{title: "P50", width: 6, right: true, from: 110},
		{title: "P95", width: 6, right: true, sort: "p95"},
		{title: "MAX", width: 6, right: true, from: 140},
		{title: "DOCS/C", width: 6, right: true, from: 60, sort: "docs"},
		{title: "ERR%", width: 5, right: true, sort: "errors"},
		{title: "SHAPES", width: 6, right: true, from: 130},
		{title: "HINT", width: 8, from: 80},
	}
}

func (v *mongo) Show(s *store.Snapshot) {
	v.snap, v.rows = s, v.rows[:0]
	colls := slices.Clone(s.Collections)
	slices.SortStableFunc(colls, func(a, b store.Collection) int { return v.order(a.FullName(), b.FullName(), &a.Stats, &b.Stats) })
	for i := range colls {
		c := &colls[i]
		key := c.FullName()
		v.rows = append(v.rows, mongoRow{key: key, coll: c})
		if v.folded[key] {
			continue
		}
		sites := slices.Clone(c.Sites)
		slices.SortStableFunc(sites, func(a, b store.Site) int { return v.order(a.Name, b.Name, &a.Stats, &b.Stats) })
		for j := range sites {
			v.rows = append(v.rows, mongoRow{key + "\x00" + sites[j].Name + "\x00" + sites[j].Operation, c, &sites[j]})
		}
	}
	v.settle()
}

func (v *mongo) order(an, bn string, a, b *store.Stats) int {
	c := 0
	switch v.sort {
	case "time":
		c = cmp.Compare(b.Total, a.Total)
	case "calls":
		c = cmp.Compare(b.N, a.N)
	case "p95":
		c = cmp.Compare(b.P95, a.P95)
	case "docs":
		c = cmp.Compare(b.DocsPerCall(), a.DocsPerCall())
	case "errors":
		c = cmp.Compare(b.ErrorShare(), a.ErrorShare())
	case "name":
		c = cmp.Compare(an, bn)
	}
	return v.turned(c)
}

func (v *mongo) Render(w, h int) string {
	var pane []string
	if v.detail && v.cur < len(v.rows) {
		pane = v.pane(w)
		pane = pane[:min(len(pane), max(h-5, h/2))]
	}
	cols := mongoColumns(w)
	return v.body(&v.list, w, h, v.heading(cols, w, v.sort, v.reverse), func(i int) string { return v.rowAt(cols, w, i) },
		"no MongoDB commands in this window yet", pane)
}

func (v *mongo) rowAt(cols []column, w, i int) string {
	r := v.rows[i]
	st := r.stats()
	name, op, hint, shapes := v.open+clean(r.coll.FullName()), "", "", ""
	if v.folded[r.key] {
		name = v.shut + clean(r.coll.FullName())
	}
	if r.site != nil {
		name, op, hint, shapes = "    "+siteName(r.site.Name), clean(r.site.Operation), repeated(r.site), shapeCount(r.site)
	}
	mark := " "
	switch {
	case st.ErrorShare() >= 0.05:
		mark = "x"
	case hint != "" || st.ErrorShare() >= 0.005:
		mark = "!"
	}
	errs := plain(percent(st.ErrorShare()))
	if st.Errors > 0 {
		errs.style = &v.bad
	}
	share := 0.0
	if v.snap.Total.N > 0 {
		share = float64(st.Total) / float64(max(1, v.mongoTotal()))
	}
	return v.row(cols, w, mark, i == v.cur, []cell{
		plain(name), plain(op), {v.trend(st.Trend[:], cols[2].width), &v.good}, plain(duration(st.Total)), plain(percent(share)),
		plain(number(float64(st.N))), plain(number(st.Rate)), plain(duration(st.P50)), plain(duration(st.P95)), plain(duration(st.Max)),
		plain(number(st.DocsPerCall())), errs, plain(shapes), {hint, &v.warn},
	})
}

func (v *mongo) mongoTotal() (sum time.Duration) {
	for i := range v.snap.Collections {
		sum += v.snap.Collections[i].Total
	}
	return sum
}

func siteName(s string) string {
	if s == "" {
		return "(no comment)"
	}
	return clean(s)
}

// repeated is the hint that a call site asks the same thing over and over.
func repeated(s *store.Site) string {
	if s.PerTrace < store.ManyPerTrace {
		return ""
	}
	return "N+1 x" + number(float64(s.PerTrace))
}

func shapeCount(s *store.Site) string {
	n := number(float64(len(s.Shapes)))
	if s.More > 0 {
		n += "+"
	}
	return n
}

// pane tells of the row under the cursor: what it asks, and what is odd.
func (v *mongo) pane(w int) []string {
	r := v.rows[v.cur]
	out := []string{v.faint.Render(strings.Repeat(v.line, w))}
	if r.site == nil {
		return append(out, "  "+v.head.Render(clean(r.coll.FullName()))+fmt.Sprintf("  %d call sites", len(r.coll.Sites)))
	}
	s := r.site
	out = append(out, "  "+v.head.Render(siteName(s.Name))+"  "+clean(s.Operation)+" "+clean(r.coll.FullName()))
	if s.PerTrace >= store.ManyPerTrace {
		out = append(out, v.warn.Render(fmt.Sprintf("  ! up to %d calls of one shape in one trace: a query in a loop (N+1)?", s.PerTrace)))
	}
	for _, sh := range s.Shapes {
		out = append(out, fmt.Sprintf("  %6s calls %8s  %s", number(float64(sh.N)), duration(time.Duration(sh.Total)), clean(sh.Query)))
	}
	if s.More > 0 {
		out = append(out, fmt.Sprintf("  %6s calls of further shapes", number(float64(s.More))))
	}
	return out
}

func (v *mongo) Key(k string) (a Action, ok bool) {
	if v.key(k) {
		return a, true
	}
	switch {
	case v.resort(k):
	case k == "esc" && v.detail:
		v.detail = false
	case slices.Contains([]string{"enter", "h", "left", "l", "right"}, k):
		v.openRow(k)
	case k == "o":
		return v.drill(), true
	default:
		return a, false
	}
	v.Show(v.snap)
	return a, true
}

func (v *mongo) openRow(k string) {
	if v.cur >= len(v.rows) {
		return
	}
	r := v.rows[v.cur]
	key := r.coll.FullName()
	switch {
	case k == "enter" && r.site != nil:
		v.detail = !v.detail
	case k == "enter":
		v.folded[key] = !v.folded[key]
	default:
		v.folded[key] = k == "h" || k == "left"
	}
	v.at = r.key
	if v.folded[key] {
		v.at = key
	}
}

// drill shows the commands of the row in Live.
func (v *mongo) drill() Action {
	if v.cur >= len(v.rows) {
		return Action{}
	}
	r := v.rows[v.cur]
	if r.coll.Name == store.Other {
		return Action{Open: "Live", Filter: "protocol:mongodb"}
	}
	f := equals("db", r.coll.Database) + " " + equals("collection", r.coll.Name)
	if r.site != nil && r.site.Name != store.Other {
		f += " " + equals("operation", r.site.Operation) + " " + equals("call_site", r.site.Name)
	}
	return Action{Open: "Live", Filter: f}
}

func (v *mongo) Keys() []Binding {
	return []Binding{
		{"enter", "call site: its query shapes; collection: fold"},
		{"o", "show the commands of the row in Live"},
		{"h l, left right", "fold, unfold the collection"},
		{"s S", "sort by the next column, reverse"},
	}
}

func (v *mongo) Export() Table {
	t := Table{Head: append([]string{"collection", "call_site", "operation", "total_ns", "docs", "max_per_trace"}, statsHead()...)}
	for _, r := range v.rows {
		st, name, op, per := r.stats(), "", "", 0
		if r.site != nil {
			name, op, per = r.site.Name, r.site.Operation, r.site.PerTrace
		}
		t.Rows = append(t.Rows, append([]any{r.coll.FullName(), name, op, int64(st.Total), st.Docs, per}, exportStats(st)...))
	}
	return t
}
