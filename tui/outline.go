package tui

import "slices"

// outline is a list of rows of which some are folded away below others. Its
// cursor stays on its row when rows come, go, or are sorted anew.
type outline[R entry] struct {
	list
	rows    []R
	folded  map[string]bool // by id of the row above
	detail  bool            // a pane tells of the row under the cursor
	sorts   []string        // that s goes through
	sort    string
	reverse bool
	at      string // id of the row under the cursor; empty: the cursor stays at the top
}

// entry is a row that can be found again among new ones.
type entry interface{ id() string }

// newOutline is sorted by the first of sorts.
func newOutline[R entry](sorts ...string) outline[R] {
	return outline[R]{folded: map[string]bool{}, sorts: sorts, sort: sorts[0]}
}

// settle is called after rows have changed, and puts the cursor back on its row.
func (o *outline[R]) settle() {
	o.set(len(o.rows))
	if i := slices.IndexFunc(o.rows, func(r R) bool { return r.id() == o.at }); i >= 0 {
		o.cur = i
	}
	o.note()
}

// note remembers the row under the cursor. At the top it stays at the top,
// whichever row that is, unless a pane tells of it.
func (o *outline[R]) note() {
	o.at = ""
	if o.cur < len(o.rows) && (o.cur > 0 || o.detail) {
		o.at = o.rows[o.cur].id()
	}
}

// key moves the cursor and reports whether the key does that.
func (o *outline[R]) key(k string) bool {
	if !o.list.key(k) {
		return false
	}
	o.note()
	return true
}

// resort changes what rows are sorted by and reports whether the key does that.
func (o *outline[R]) resort(k string) bool {
	switch k {
	case "s":
		o.sort = next(o.sorts, o.sort)
	case "S":
		o.reverse = !o.reverse
	default:
		return false
	}
	return true
}

// turned is a comparison as it counts in the order that was asked for.
func (o *outline[R]) turned(c int) int {
	if o.reverse {
		return -c
	}
	return c
}

// Click moves the cursor to the row on that line of the view.
func (o *outline[R]) Click(line int) {
	if o.click(line) {
		o.note()
	}
}

func next(names []string, now string) string {
	return names[(slices.Index(names, now)+1)%len(names)]
}
