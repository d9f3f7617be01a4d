package tui

import (
	"strings"
	"time"

	"charm.land/lipgloss/v2"
)

// Look is how things are drawn. Colours are the terminal's own sixteen, so
// they follow its theme; every one of them only repeats what a sign says.
type Look struct {
	zone               *time.Location
	blocks             []rune // of a trend, from nothing to the most
	open, shut, line   string // fold marks and the rule above a pane
	live, bar          string
	bad, warn, good    lipgloss.Style
	faint, head, title lipgloss.Style
	chosen             lipgloss.Style
}

func newLook(ascii, dark bool, zone *time.Location) *Look {
	l := &Look{
		zone:   zone,
		blocks: []rune(" ▁▂▃▄▅▆▇█"), open: "▾ ", shut: "▸ ", line: "─", live: "●", bar: "█",
		bad: lipgloss.NewStyle().Foreground(lipgloss.Red), good: lipgloss.NewStyle().Foreground(lipgloss.Green),
		faint: lipgloss.NewStyle().Foreground(lipgloss.BrightBlack), head: lipgloss.NewStyle().Bold(true),
		title: lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Cyan), chosen: lipgloss.NewStyle().Reverse(true),
	}
	l.warn = lipgloss.NewStyle().Foreground(lipgloss.LightDark(dark)(lipgloss.Magenta, lipgloss.Yellow)) // yellow on white is hard to read
	if !dark {
		l.title = l.title.Foreground(lipgloss.Blue)
	}
	if ascii {
		l.blocks, l.open, l.shut, l.line, l.live, l.bar = []rune(" .:-=+*#@"), "- ", "+ ", "-", "*", "#"
	}
	return l
}

// trend draws counts as one line of w cells, the newest at the right.
func (l *Look) trend(counts []uint64, w int) string {
	var most uint64
	for _, n := range counts {
		most = max(most, n)
	}
	var b strings.Builder
	for i := range w {
		n := counts[i*len(counts)/w]
		at := 0
		if n > 0 {
			at = 1 + int(n*uint64(len(l.blocks)-2)/most)
		}
		b.WriteRune(l.blocks[at])
	}
	return b.String()
}
