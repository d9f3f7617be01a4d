package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// column is one column of a table. One of width 0 takes the room that is left.
type column struct {
	title string
	width int
	right bool
	from  int // narrowest screen that shows it
	sort  string
}

// cell is a text and, where it says something, a style.
type cell struct {
	text  string
	style *lipgloss.Style
}

func plain(s string) cell { return cell{text: s} }

// shown are the columns that a screen of w cells has room for, with widths.
func shown(cols []column, w int) (at []int, widths []int) {
	left := w - 3 // the signs before a row
	flexible := -1
	for i, c := range cols {
		if w < c.from {
			continue
		}
		if c.width == 0 {
			flexible = len(at)
		}
		at, widths = append(at, i), append(widths, c.width)
		left -= c.width + 1
	}
	if flexible >= 0 {
		widths[flexible] = max(4, left+1)
	}
	return at, widths
}

// heading is the line of titles; the column that is sorted by has a mark.
func (l *Look) heading(cols []column, w int, sort string, reverse bool) string {
	at, widths := shown(cols, w)
	var parts []string
	for i, c := range at {
		t := cols[c].title
		if sort != "" && cols[c].sort == sort {
			t += map[bool]string{false: "v", true: "^"}[reverse]
		}
		parts = append(parts, fit(t, widths[i], cols[c].right))
	}
	return l.head.Render(fit("   "+strings.Join(parts, " "), w, false))
}

// row is one line; mark is one cell that stands for its state.
func (l *Look) row(cols []column, w int, mark string, chosen bool, cells []cell) string {
	at, widths := shown(cols, w)
	var b strings.Builder
	b.WriteString(map[bool]string{false: " ", true: ">"}[chosen])
	b.WriteString(l.sign(mark, chosen) + " ")
	for i, c := range at {
		if i > 0 {
			b.WriteByte(' ')
		}
		s := fit(short(cells[c].text, widths[i]), widths[i], cols[c].right)
		if st := cells[c].style; st != nil && !chosen {
			s = st.Render(s)
		}
		b.WriteString(s)
	}
	line := fit(b.String(), w, false)
	if chosen {
		return l.chosen.Render(line)
	}
	return line
}

func (l *Look) sign(mark string, chosen bool) string {
	switch {
	case chosen:
	case mark == "x":
		return l.bad.Render(mark)
	case mark == "!" || mark == "~":
		return l.warn.Render(mark)
	}
	return mark
}

// body is a view's h lines: titles, the rows that there is room for, and a pane
// below them. Where there are no rows it says none.
func (l *Look) body(rows *list, w, h int, titles string, row func(i int) string, none string, pane []string) string {
	out := []string{titles}
	from, to := rows.window(h - 1 - len(pane))
	for i := from; i < to; i++ {
		out = append(out, row(i))
	}
	if rows.n == 0 {
		out = append(out, l.faint.Render("  "+none))
	}
	for len(out) < h-len(pane) {
		out = append(out, "")
	}
	return lines(append(out, pane...), w, h)
}

// list is a cursor over n rows of which a screen shows some.
type list struct{ n, cur, top, page int }

// set takes a new number of rows.
func (v *list) set(n int) {
	v.n = n
	v.to(v.cur)
}

func (v *list) to(i int) { v.cur = max(0, min(i, v.n-1)) }

// key moves the cursor and reports whether the key does that.
func (v *list) key(k string) bool {
	half := max(1, v.page/2)
	switch k {
	case "j", "down":
		v.to(v.cur + 1)
	case "k", "up":
		v.to(v.cur - 1)
	case "g", "home":
		v.to(0)
	case "G", "end":
		v.to(v.n - 1)
	case "ctrl+d":
		v.to(v.cur + half)
	case "ctrl+u":
		v.to(v.cur - half)
	case "pgdown":
		v.to(v.cur + v.page)
	case "pgup":
		v.to(v.cur - v.page)
	default:
		return false
	}
	return true
}

// click moves the cursor to the row on that line of the view, if there is one.
func (v *list) click(line int) bool {
	i := v.top + line - 1
	if line < 1 || line > v.page || i >= v.n {
		return false
	}
	v.to(i)
	return true
}

// window is the first and the one after the last row on a screen of h lines.
func (v *list) window(h int) (from, to int) {
	v.page = h
	v.top = max(0, min(v.top, v.n-h))
	if v.cur < v.top {
		v.top = max(0, v.cur)
	}
	if v.cur >= v.top+h {
		v.top = v.cur - h + 1
	}
	return v.top, min(v.n, v.top+max(0, h))
}

// lines makes exactly h lines of w cells.
func lines(ls []string, w, h int) string {
	for len(ls) < h {
		ls = append(ls, "")
	}
	for i, s := range ls[:max(0, h)] {
		ls[i] = fit(s, w, false)
	}
	return strings.Join(ls[:max(0, h)], "\n")
}
