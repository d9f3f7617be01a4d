package tui

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/status"
	"github.com/pitot-io/pitot/tui/store"
)

// clusters is the view of a proxy's clusters and their endpoints: who takes
// exchanges, who does not and why, and how each of them does.
type clusters struct {
	*Look
	outline[clusterRow]
	source func() *status.Clusters
	rates  rates
	now    *status.Clusters
	zoom   bool // the details have the whole screen
}

// clusterRow is a cluster, or with host one of its endpoints.
type clusterRow struct {
	key     string
	cluster *status.Cluster
	host    *status.Host
	measured
}

func (r clusterRow) id() string { return r.key }

func newClusters(l *Look, source func() *status.Clusters) *clusters {
	return &clusters{Look: l, outline: newOutline[clusterRow]("name", "rate", "errors", "p99", "active"), source: source}
}

func (v *clusters) Name() string       { return "Clusters" }
func (v *clusters) Parts() store.Parts { return 0 }

func clusterColumns(w int) []column {
	return []column{
		{title: "CLUSTER / ENDPOINT", sort: "name"},
		{title: "STATE", width: max(10, min(w/5, 30))},
		{title: "PRI", width: 3, right: true, from: 100},
		{title: "WEIGHT", width: 6, right: true, from: 70},
		{title: "ZONE", width: 10, from: 150},
		{title: "ACTIVE", width: 6, right: true, from: 60, sort: "active"},
		{title: "CONNS", width: 5, right: true, from: 110},
		{title: "RATE/s", width: 7, right: true, sort: "rate"},
		{title: "ERR%", width: 5, right: true, sort: "errors"},
		{title: "P50", width: 6, right: true, from: 90},
		{title: "P99", width: 6, right: true, from: 60, sort: "p99"},
		{title: "RETRIES", width: 7, right: true, from: 120},
		{title: "EJECTED", width: 7, right: true, from: 130},
		{title: "REFUSED", width: 7, right: true, from: 140},
	}
}

// Show asks for the clusters as they are; the snapshot tells of exchanges only.
func (v *clusters) Show(*store.Snapshot) {
	if v.source != nil {
		if c := v.source(); c != nil && c != v.now {
			v.rates.take(c)
			v.now = c
		}
	}
	v.arrange()
}

// arrange makes the rows of what is known.
func (v *clusters) arrange() {
	v.rows = v.rows[:0]
	if v.now == nil {
		v.set(0)
		return
	}
	for _, c := range v.ordered() {
		v.rows = append(v.rows, c)
		if v.folded[c.key] {
			continue
		}
		var hosts []clusterRow
		for i := range c.cluster.Hosts {
			h := &c.cluster.Hosts[i]
			hosts = append(hosts, clusterRow{c.key + "\x00" + h.Address, c.cluster, h, v.rates.host(c.cluster, h)})
		}
		v.order(hosts)
		v.rows = append(v.rows, hosts...)
	}
	v.settle()
}

func (v *clusters) ordered() (all []clusterRow) {
	for i := range v.now.Clusters {
		c := &v.now.Clusters[i]
		all = append(all, clusterRow{key: c.Name, cluster: c, measured: v.rates.cluster(c)})
	}
	v.order(all)
	return all
}

// order sorts rows of one kind. By name they stay as the proxy tells them.
func (v *clusters) order(rows []clusterRow) {
	slices.SortStableFunc(rows, func(a, b clusterRow) (c int) {
		switch v.sort {
		case "rate":
			c = cmp.Compare(b.rate, a.rate)
		case "errors":
			c = cmp.Compare(b.errors, a.errors)
		case "p99":
			c = cmp.Compare(b.p99, a.p99)
		case "active":
			c = cmp.Compare(b.active, a.active)
		}
		return v.turned(c)
	})
	if v.sort == "name" && v.reverse {
		slices.Reverse(rows)
	}
}

func (v *clusters) Render(w, h int) string {
	var pane []string
	if v.detail && v.cur < len(v.rows) {
		room := max(h-5, h*2/3)
		if v.zoom {
			room = h
		}
		pane = v.more(v.pane(w), room)
	}
	if v.zoom && v.detail {
		return lines(pane, w, h)
	}
	cols := clusterColumns(w)
	none := "the proxy has no clusters"
	if v.now == nil {
		none = "no clusters: what is watched is no proxy, or has not told yet"
	}
	return v.body(&v.list, w, h, v.heading(cols, w, v.sort, v.reverse), func(i int) string { return v.rowAt(cols, w, i) }, none, pane)
}

func (v *clusters) rowAt(cols []column, w, i int) string {
	r := v.rows[i]
	name, weight, pri, zone := v.open+clean(r.cluster.Name), "", "", ""
	if v.folded[r.key] {
		name = v.shut + clean(r.cluster.Name)
	}
	if r.host != nil {
		name, weight, pri, zone = "    "+clean(r.host.Address), fmt.Sprint(r.host.Weight), fmt.Sprint(r.host.Priority), clean(r.host.Zone)
	}
	state, mark := r.state()
	st := cell{text: state}
	switch mark {
	case "x":
		st.style = &v.bad
	case "!":
		st.style = &v.warn
	}
	errs := plain(percent(r.errors))
	if r.errors > 0 {
		errs.style = &v.bad
	}
	return v.row(cols, w, mark, i == v.cur, []cell{
		plain(name), st, plain(pri), plain(weight), plain(zone), plain(number(float64(r.active))), plain(number(float64(r.conns))),
		plain(number(r.rate)), errs, plain(duration(r.p50)), plain(duration(r.p99)),
		plain(number(float64(r.retries))), plain(number(float64(r.ejections))), plain(number(float64(r.refused))),
	})
}

// more cuts a pane to h lines, and says so.
func (v *clusters) more(pane []string, h int) []string {
	over := len(pane) - h
	if over <= 0 || h < 2 {
		return pane
	}
	text := fmt.Sprintf("  %d lines more", over+1)
	if !v.zoom {
		text += ": z gives the numbers the whole screen"
	}
	return append(pane[:h-1], v.faint.Render(text))
}

// state says in few words who is taken, and the sign for it.
func (r *clusterRow) state() (text, mark string) {
	if r.host != nil {
		switch {
		case len(r.host.Flags) == 0 && r.host.Warm > 0 && r.host.Warm < 1:
			return fmt.Sprintf("ok, warming %.0f%%", 100*r.host.Warm), " "
		case len(r.host.Flags) == 0:
			return "ok", " "
		case r.host.Healthy:
			return states(r.host.Flags), "!"
		}
		return states(r.host.Flags), "x"
	}
	healthy := 0
	for i := range r.cluster.Hosts {
		if r.cluster.Hosts[i].Healthy {
			healthy++
		}
	}
	text, mark = fmt.Sprintf("%d/%d ok", healthy, len(r.cluster.Hosts)), " "
	switch {
	case strings.Contains(r.cluster.Why, "panic"):
		return text + " panic", "x"
	case healthy == 0:
		return text, "x"
	case healthy < len(r.cluster.Hosts) || r.breakers() > 0:
		mark = "!"
	}
	if r.breakers() > 0 {
		text += " breaker"
	}
	return text, mark
}

// breakers is how many circuit breakers of the cluster are open.
func (r *clusterRow) breakers() (n uint64) {
	for name, value := range r.cluster.Stats {
		if strings.HasPrefix(name, "circuit_breakers.") && strings.HasSuffix(name, "_open") {
			n += value
		}
	}
	return n
}

// states are short words for what speaks against taking an endpoint.
func states(flags []string) string {
	words := map[string]string{
		"failed_active_hc": "check fails", "degraded_active_hc": "degraded", "pending_active_hc": "unchecked", "failed_outlier_check": "ejected",
		"drained": "drained", "failed_eds_health": "unhealthy", "degraded_eds_health": "degraded", "pending_dynamic_removal": "absent",
	}
	var all []string
	for _, f := range flags {
		if w, ok := words[f]; ok {
			f = w
		}
		all = append(all, f)
	}
	return strings.Join(all, ", ")
}

// pane tells all numbers of the row under the cursor that are not 0.
func (v *clusters) pane(w int) []string {
	r := v.rows[v.cur]
	out := []string{v.faint.Render(strings.Repeat(v.line, w))}
	stats := r.cluster.Stats
	if r.host == nil {
		out = append(out, "  "+v.head.Render(clean(r.cluster.Name))+"  policy "+clean(r.cluster.Policy)+"  picks by "+clean(r.cluster.Why))
	} else {
		stats = r.host.Stats
		place := strings.Trim(strings.Join([]string{r.host.Region, r.host.Zone, r.host.SubZone}, "/"), "/")
		out = append(out, "  "+v.head.Render(clean(r.host.Address))+"  "+clean(cmp.Or(states(r.host.Flags), "ok")))
		if place != "" {
			out[1] += "  place " + clean(place)
		}
	}
	if r.host != nil && r.host.Load != nil {
		l := r.host.Load
		out = append(out, fmt.Sprintf("  load: cpu %.0f%%, memory %.0f%%, utilization %.0f%%, %.0f requests/s", 100*l.CPU, 100*l.Memory, 100*l.Utilization, l.QPS))
	}
	return append(out, v.numbers(stats, w)...)
}

// numbers are those that are not 0, in as many columns as there is room for.
// What circuit breakers have left comes last: it is never 0, and seldom news.
func (v *clusters) numbers(stats map[string]uint64, w int) (out []string) {
	const narrowest = 52
	var all, left []string
	for _, name := range slices.Sorted(maps.Keys(stats)) {
		switch s := fmt.Sprintf("%12s  %s", thousands(stats[name]), clean(name)); {
		case stats[name] == 0:
		case strings.Contains(name, ".remaining_"):
			left = append(left, s)
		default:
			all = append(all, s)
		}
	}
	all = append(all, left...)
	per := max(1, (w-2)/narrowest)
	width := (w - 2) / per
	for i := 0; i < len(all); i += per {
		line := "  "
		for _, s := range all[i:min(i+per, len(all))] {
			line += fit(short(s, width-1), width, false)
		}
		out = append(out, line)
	}
	return out
}

func (v *clusters) Key(k string) (a Action, ok bool) {
	if v.key(k) {
		return a, true
	}
	switch {
	case v.resort(k):
	case k == "esc" && v.detail && v.zoom:
		v.zoom = false
	case k == "esc" && v.detail:
		v.detail = false
	case k == "z":
		v.zoom = v.detail && !v.zoom
	case k == "enter":
		v.detail = !v.detail && v.cur < len(v.rows)
		v.note()
	case k == "h" || k == "left":
		v.fold(true)
	case k == "l" || k == "right":
		v.fold(false)
	case k == "o":
		return v.drill(), true
	default:
		return a, false
	}
	v.arrange()
	return a, true
}

func (v *clusters) fold(shut bool) {
	if v.cur < len(v.rows) {
		name := v.rows[v.cur].cluster.Name
		if v.folded[name] = shut; shut {
			v.at = name
		}
	}
}

// drill shows the exchanges and attempts of the row in Live.
func (v *clusters) drill() Action {
	if v.cur >= len(v.rows) {
		return Action{}
	}
	r := v.rows[v.cur]
	f := equals("cluster", r.cluster.Name)
	if r.host != nil {
		f += " " + equals("endpoint", r.host.Address)
	}
	return Action{Open: "Live", Filter: f}
}

func (v *clusters) Keys() []Binding {
	return []Binding{
		{"enter", "all numbers of the cluster or endpoint that are not 0"},
		{"z", "give the numbers the whole screen, and back"},
		{"o", "show its exchanges in Live"},
		{"h l, left right", "fold, unfold the cluster"},
		{"s S", "sort by the next column, reverse"},
	}
}

func (v *clusters) Export() Table {
	t := Table{Head: []string{"cluster", "endpoint", "healthy", "health_flags", "weight", "priority", "zone", "active", "rate", "error_share", "p50_ns", "p99_ns"}}
	for _, r := range v.rows {
		row := []any{r.cluster.Name, "", "", "", 0, 0, ""}
		if h := r.host; h != nil {
			row = []any{r.cluster.Name, h.Address, fmt.Sprint(h.Healthy), strings.Join(h.Flags, ","), int(h.Weight), h.Priority, h.Zone}
		}
		t.Rows = append(t.Rows, append(row, r.active, r.rate, r.errors, int64(r.p50), int64(r.p99)))
	}
	return t
}

// measured is what the counters of a cluster or an endpoint come to.
type measured struct {
	rate, errors                               float64 // of the time since the status before
	active, conns, retries, ejections, refused uint64
	p50, p99                                   time.Duration // of attempts lately
}
