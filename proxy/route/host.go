package route

import (
	"slices"
	"strings"

	"github.com/pitot-io/pitot/internal/config"
)

// hosts finds the routes for a host. Of all patterns of the listener that fit a
// host the best decides, as Envoy has it: the name itself, the longest
// *.example.com, the longest example.*, then *. The routes are those of that
// pattern and those for any host, in their order.
type hosts struct {
	exact  map[string][]*entry
	suffix patterns // by what follows the *
	prefix patterns // by what precedes it
	all    []*entry // of *, or of none
}

// patterns are wildcards, by their fixed part.
type patterns struct {
	by      map[string][]*entry
	lengths []int // of the fixed parts, longest first
}

func newHosts(all []entry, routes []config.Route) hosts {
	h := hosts{exact: map[string][]*entry{}, suffix: newPatterns(), prefix: newPatterns()}
	of := func(pattern string) (list []*entry) {
		for i := range all {
			own := routes[i].Match.AllHosts()
			if len(own) == 0 || slices.Contains(own, pattern) {
				list = append(list, &all[i])
			}
		}
		return list
	}
	h.all = of("")
	for i := range routes {
		for _, p := range routes[i].Match.AllHosts() {
			switch {
			case p == "*":
				h.all = of(p)
			case p[0] == '*':
				h.suffix.add(p[1:], of(p))
			case strings.HasSuffix(p, "*"):
				h.prefix.add(p[:len(p)-1], of(p))
			default:
				h.exact[p] = of(p)
			}
		}
	}
	return h
}

func newPatterns() patterns { return patterns{by: map[string][]*entry{}} }

func (p *patterns) add(fixed string, list []*entry) {
	p.by[fixed] = list
	if !slices.Contains(p.lengths, len(fixed)) {
		p.lengths = append(p.lengths, len(fixed))
		slices.SortFunc(p.lengths, func(a, b int) int { return b - a })
	}
}

// maxHost is how long a host's name can be (RFC 1035: 255 bytes); longer ones
// fit no pattern but *.
const maxHost = 255

// find gives the routes for host, in any case and without port.
func (h *hosts) find(host []byte) []*entry {
	if len(h.exact)+len(h.suffix.by)+len(h.prefix.by) == 0 || len(host) > maxHost {
		return h.all
	}
	var buf [maxHost]byte
	name := buf[:len(host)]
	for i, c := range host {
		if c-'A' < 26 {
			c |= 0x20
		}
		name[i] = c
	}
	if list, ok := h.exact[string(name)]; ok {
		return list
	}
	for _, n := range h.suffix.lengths {
		if n < len(name) {
			if list, ok := h.suffix.by[string(name[len(name)-n:])]; ok {
				return list
			}
		}
	}
	for _, n := range h.prefix.lengths {
		if n < len(name) {
			if list, ok := h.prefix.by[string(name[:n])]; ok {
				return list
			}
		}
	}
	return h.all
}
