package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// noticeFor is how long the newest notice stands where the title is.
const noticeFor = 15 * time.Second

// The smallest screen that something is drawn on.
const (
	minWidth  = 40
	minHeight = 10
)

// View is the whole screen as Bubble Tea wants it.
func (m *model) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	if !m.opt.NoMouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	v.WindowTitle = strings.TrimSpace("pitot " + clean(m.opt.Title))
	return v
}

// screen is exactly m.h lines of m.w cells.
func (m *model) screen() string {
	if m.w < minWidth || m.h < minHeight {
		return lines([]string{fmt.Sprintf("pitot needs %dx%d,", minWidth, minHeight), fmt.Sprintf("this is %dx%d", m.w, m.h)}, m.w, m.h)
	}
	body := m.views[m.at].Render(m.w, m.h-3)
	if m.help {
		body = lines(m.helpLines(), m.w, m.h-3)
	}
	second := m.tabs()
	if wrong := m.wrong(); wrong != "" {
		second = m.look.bad.Render(fit("x "+clean(wrong), m.w, false))
	}
	return strings.Join([]string{m.bar(), second, body, m.footer()}, "\n")
}

// bar says what state things are in.
func (m *model) bar() string {
	l, t := m.look, &m.snap.Total
	parts := []string{
		l.title.Render("pitot"), m.state(), number(t.Rate) + "/s", m.errors(), m.lost(), "window " + m.window.String(),
	}
	if m.w < 70 {
		parts = parts[1:]
	}
	clock := "-"
	switch {
	case m.w < 50: // what was lost says more than window and clock
		clock, parts = "", parts[:len(parts)-1]
	case m.snap.Seen > 0:
		clock = m.snap.Now.In(m.opt.Zone).Format("15:04:05")
	}
	left := strings.Join(parts, "  ")
	f := "filter: " + clean(m.filter)
	if m.filter == "" {
		f = "filter: -"
	}
	room := m.w - ansi.StringWidth(left) - len(clock) - 4
	if room >= len("filter: -") {
		left += "  " + fit(f, room, false)
	}
	return fit(fit(left, m.w-len(clock)-1, false)+" "+clock, m.w, false)
}

func (m *model) state() string {
	switch {
	case m.paused:
		return m.look.warn.Render("PAUSED +" + thousands(m.behind))
	case m.over:
		return "ENDED"
	case m.opt.Status() != "":
		return m.look.bad.Render("x LOST CONTACT")
	case m.opt.Replay:
		return m.look.live + " REPLAY"
	}
	return m.look.good.Render(m.look.live) + " LIVE"
}

func (m *model) errors() string {
	s := "err " + percent(m.snap.Total.ErrorShare()) + "%"
	if m.snap.Total.Errors > 0 {
		return m.look.bad.Render(s)
	}
	return s
}

// lost tells what pitot did not see: loss is data, not an embarrassment.
func (m *model) lost() string {
	n := m.opt.Loss().Sum() + m.snap.Lost
	if n == 0 {
		return "lost 0"
	}
	return m.look.warn.Render("! lost " + thousands(n) + " (" + percent(float64(n)/float64(n+m.snap.Seen)) + "%)")
}

// tabs name the views; at the right stands what is watched, or a new notice.
func (m *model) tabs() string {
	var b strings.Builder
	for i, v := range m.views {
		name := tabName(i, v)
		if m.w < 70 && i != m.at {
			name = strconv.Itoa(i + 1) // so that the view that is shown has room for its name
		}
		if i == m.at {
			b.WriteString(m.look.head.Render("[" + name + "]"))
		} else {
			b.WriteString(" " + name + " ")
		}
	}
	for _, c := range m.crumbs {
		b.WriteString(m.look.faint.Render(" < " + m.views[c.at].Name()))
	}
	right, style := clean(m.opt.Title), m.look.faint
	if n := len(m.snap.Standing); n > 0 {
		right, style = "! "+clean(m.snap.Standing[0].Body), m.look.warn
		if n > 1 {
			right = fmt.Sprintf("! %d certificates; %s", n, right[2:])
		}
	}
	if n := len(m.snap.Notices); n > 0 && m.snap.Now.UnixNano()-m.snap.Notices[n-1].Time < int64(noticeFor) {
		last := m.snap.Notices[n-1]
		style = m.look.faint
		right = time.Unix(0, last.Time).In(m.opt.Zone).Format("15:04:05 ") + strings.TrimPrefix(clean(last.Name), "pitot.event.") + ": " + clean(last.Body)
	}
	room := m.w - ansi.StringWidth(b.String()) - 2
	if room > 8 {
		b.WriteString("  " + style.Render(fit(right, room, true)))
	}
	return fit(b.String(), m.w, false)
}

func tabName(i int, v View) string { return strconv.Itoa(i+1) + " " + v.Name() }

// footer is the prompt, what there is to say, or the keys.
func (m *model) footer() string {
	switch {
	case m.prompt != "":
		return fit(m.prompt+m.input.View(), m.w, false)
	case m.note != "":
		return fit(clean(m.note), m.w, false)
	case m.opt.Status() != "":
		return m.look.bad.Render(fit("x "+clean(m.opt.Status()), m.w, false))
	}
	return m.look.faint.Render(fit("enter open  s sort  / filter  space pause  w window  e export  ? help  q quit", m.w, false))
}

func (m *model) helpLines() []string {
	out := []string{m.look.head.Render(m.views[m.at].Name())}
	add := func(bs []Binding) {
		for _, b := range bs {
			out = append(out, "  "+fit(b.Keys, 27, false)+" "+b.Does)
		}
	}
	add(m.views[m.at].Keys())
	out = append(out, m.look.head.Render("Everywhere"))
	add([]Binding{
		{"j k g G ^d ^u, arrows", "move"},
		{"1 to 5, tab", "views"},
		{"esc, q", "back; q at the top and ctrl-c leave"},
		{"/", "filter: protocol:mongodb duration>100ms site~Cart -status:ok"},
		{"space", "hold the screen; counting goes on"},
		{"mouse", "wheel moves, click chooses; shift selects text"},
		{"w", "time counted: 1m 5m 15m 60m all"},
		{"e", "export the view as NDJSON"},
	})
	add(commands())
	return append(out, m.look.faint.Render("signs: x errors or 5 % of them, ! a warning, ~ not seen whole"))
}

func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
