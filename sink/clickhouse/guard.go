package clickhouse

import "strings"

// other stands for all values past a limit.
const other = "_OTHER"

// guard keeps the number of values of a column bounded for each service: LowCardinality columns grow slow and rollups explode when
// every request has a name of its own.
type guard struct {
	max  int // values per service, and services
	seen map[string]map[string]struct{}
}

// allow reports whether value is among the first max of its service.
func (g *guard) allow(service, value string) bool {
	values, ok := g.seen[service]
	if !ok {
		if g.seen == nil {
			g.seen = make(map[string]map[string]struct{})
		}
		if len(g.seen) >= g.max {
			return false
		}
		values = make(map[string]struct{})
		g.seen[strings.Clone(service)] = values
	}
	if _, ok := values[value]; ok {
		return true
	}
	if len(values) >= g.max {
		return false
	}
	values[strings.Clone(value)] = struct{}{}
	return true
}

// name is the span's name, or its first word with _OTHER: "GET _OTHER".
func (g *guard) name(service, name string) string {
	if g.allow(service, name) {
		return name
	}
	if verb, _, ok := strings.Cut(name, " "); ok && len(verb) <= 16 {
		return verb + " " + other
	}
	return other
}

// site is the call site, or _OTHER.
func (g *guard) site(service, site string) string {
	if site == "" || g.allow(service, site) {
		return site
	}
	return other
}
