package demo

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	width = 80   // columns of the report
	gap   = "  " // between two columns of a table
)

// write prints the report.
func (f facts) write(w io.Writer) {
	title(w, "Rate, errors, duration by service and route (ms)")
	f.red.write(w, "route")
	title(w, "MongoDB by call site")
	f.sites.write(w, "call site")
	for i, a := range f.answers {
		title(w, fmt.Sprintf("SQL %d of %d: %s", i+1, len(f.answers), a.question))
		for line := range strings.Lines(a.sql) {
			fmt.Fprintf(w, " │ %s\n", strings.TrimRight(line, "\n"))
		}
		fmt.Fprintln(w)
		a.table.write(w, a.table.widest())
	}
	title(w, "Counted")
	counted := func(what string, n uint64, note string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-28s %8d   %s", what, n, clip(note, width-40)), " "))
	}
	counted("requests made by the load", uint64(f.load.Requests), f.statuses())
	counted("of them in the store", f.shopRows, "")
	counted("spans seen by pitot", f.counters.seen, "every hop; with "+f.mongo)
	counted("rows in the store", f.rows, "")
	counted("spans lost", f.counters.dropped, "")
	fmt.Fprintln(w)
}

// statuses are the load's answers by status: 1053×200 41×404.
func (f facts) statuses() string {
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(f.load.ByStatus)) {
		parts = append(parts, fmt.Sprintf("%d×%d", f.load.ByStatus[s], s))
	}
	return strings.Join(parts, " ")
}

func title(w io.Writer, text string) {
	fmt.Fprintf(w, "\n── %s %s\n\n", text, strings.Repeat("─", max(0, width-4-utf8.RuneCountInString(text))))
}

// write prints the table at the page's width: numbers to the right, and the column named soft as wide as is left.
func (t table) write(w io.Writer, soft string) {
	widths, numeric := t.measure()
	total := len(gap) * (len(widths) - 1)
	for _, n := range widths {
		total += n
	}
	if i := slices.Index(t.names, soft); i >= 0 && total > width {
		widths[i] = max(8, widths[i]-(total-width))
	}
	printRow(w, t.names, widths, numeric)
	for _, r := range t.rows {
		printRow(w, r, widths, numeric)
	}
	if len(t.rows) == 0 {
		fmt.Fprintln(w, "(none)")
	}
}

// measure returns the columns' widths and which of them hold numbers only.
func (t table) measure() (widths []int, numeric []bool) {
	for i, name := range t.names {
		n, num := utf8.RuneCountInString(name), true
		for _, r := range t.rows {
			n = max(n, utf8.RuneCountInString(r[i]))
			_, err := strconv.ParseFloat(r[i], 64)
			num = num && err == nil
		}
		widths, numeric = append(widths, n), append(numeric, num && len(t.rows) > 0)
	}
	return widths, numeric
}

// widest is the name of the widest column of text.
func (t table) widest() string {
	widths, numeric := t.measure()
	best := 0
	for i, n := range widths {
		if !numeric[i] && (n > widths[best] || numeric[best]) {
			best = i
		}
	}
	if len(t.names) == 0 {
		return ""
	}
	return t.names[best]
}

func printRow(w io.Writer, cells []string, widths []int, numeric []bool) {
	parts := make([]string, len(cells))
	for i, c := range cells {
		c = clip(c, widths[i])
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		if numeric[i] {
			parts[i] = pad + c
		} else {
			parts[i] = c + pad
		}
	}
	fmt.Fprintln(w, strings.TrimRight(strings.Join(parts, gap), " "))
}

// clip shortens text to n columns, and shows that it did. Control characters would move the cursor: each becomes a dot.
func clip(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '·'
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(0, n-1)]) + "…"
}
