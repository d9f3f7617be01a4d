package upstream

// level is the hosts of one priority, as far as they are considered together.
// Hosts that an operator has drained are in none of its lists.
type level struct {
	healthy, degraded, all []*Host

	total, well, half float64 // number, or weight, of all that count; of the healthy; of the degraded
}

// levels sorts hosts by priority.
func (b *Balance) levels(hosts []*Host) []level {
	var all []level
	for _, h := range hosts {
		if h.Flags()&Drained != 0 {
			continue
		}
		p := h.priority()
		for len(all) <= p {
			all = append(all, level{})
		}
		all[p].add(h, b)
	}
	return all
}

func (h *Host) priority() int {
	if e := h.told.Load(); e != nil {
		return min(max(0, e.Priority), maxPriority)
	}
	return 0
}

// maxPriority bounds the number of levels.
const maxPriority = 255

func (l *level) add(h *Host, b *Balance) {
	counts := 1.0
	if b.WeightedHealth {
		counts = float64(h.Weight())
	}
	l.all = append(l.all, h)
	f := h.Flags()
	if f&Excluded != 0 {
		return
	}
	l.total += counts
	switch {
	case f&Out != 0:
	case f&degradedFlags != 0:
		l.degraded = append(l.degraded, h)
		l.half += counts
	default:
		l.healthy = append(l.healthy, h)
		l.well += counts
	}
}

// loads are the percentages of exchanges that priorities get, and which of them
// are in panic.
type loads struct {
	healthy, degraded []int
	panics            []bool

	well, half []int // what the healthy and the degraded hosts of each can carry
}

// loads spreads exchanges over levels as Envoy does: each can carry a part by how
// many of its hosts are healthy, with something to spare; the first ones get what
// they can carry, and degraded hosts what the healthy ones cannot.
func (b *Balance) loads(levels []level) (l loads) {
	n, sum := len(levels), 0
	health, half := make([]int, n), make([]int, n)
	l.well, l.half = health, half
	for i := range levels {
		v := &levels[i]
		health[i], half[i] = b.carries(v.well, v.total), b.carries(v.half, v.total)
		sum += health[i] + half[i]
	}
	norm := min(100, sum)
	l.panics = make([]bool, n)
	all := true // who has hosts is in panic
	for i := range levels {
		l.panics[i] = norm < 100 && b.panics(&levels[i])
		all = all && (l.panics[i] || len(levels[i].all) == 0)
	}
	if all && norm < 100 {
		l.healthy, l.degraded = byCount(levels), make([]int, n)
		return l
	}
	left := 100
	l.healthy, left = fill(health, norm, left)
	l.degraded, left = fill(half, norm, left)
	if left = round(l.healthy, health, left); left > 0 {
		round(l.degraded, half, left)
	}
	return l
}

// carries is the percentage of all exchanges that so many of total can carry.
func (b *Balance) carries(able, total float64) int {
	if total <= 0 {
		return 0
	}
	return min(100, int(float64(b.Overprovisioning)*able/total))
}

func (b *Balance) panics(l *level) bool {
	switch {
	case b.PanicThreshold == 0 || len(l.all) == 0:
		return false
	case l.total <= 0:
		return true
	}
	return 100*(l.well+l.half)/l.total < float64(b.PanicThreshold)
}

// fill gives each what it can carry of what is left.
func fill(able []int, norm, left int) (load []int, rest int) {
	load = make([]int, len(able))
	if norm > 0 {
		left = more(load, able, norm, left)
	}
	return load, left
}

// more is fill for those who have something already.
func more(load, able []int, norm, left int) (rest int) {
	for i := range able {
		n := min(left, able[i]*100/norm)
		load[i] += n
		left -= n
	}
	return left
}

// round gives what rounding has left to those who can carry something, one
// percent each from the first on.
func round(load, able []int, left int) int {
	for again := true; left > 0 && again; {
		again = false
		for i := range able {
			if able[i] > 0 && left > 0 {
				load[i]++
				left--
				again = true
			}
		}
	}
	return left
}

// byCount spreads exchanges by the number of hosts, whatever their health.
func byCount(levels []level) []int {
	able, total := make([]int, len(levels)), 0
	for i := range levels {
		able[i] = len(levels[i].all)
		total += able[i]
	}
	if total == 0 {
		return able
	}
	load, left := make([]int, len(able)), 100
	for i := range able {
		load[i] = able[i] * 100 / total
		left -= load[i]
	}
	round(load, able, left)
	return load
}
