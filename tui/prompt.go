package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tui/store"
)

// ask opens the line at the bottom: "/" for a filter, ":" for a command.
func (m *model) ask(prompt string) tea.Cmd {
	m.prompt = prompt
	m.input.SetValue("")
	if prompt == "/" {
		m.input.SetValue(m.filter)
		m.input.CursorEnd()
	}
	return m.input.Focus()
}

// typed takes a key while the prompt is open.
func (m *model) typed(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		switch k.String() {
		case "esc":
			m.close()
			return nil
		case "enter":
			return m.entered()
		}
	}
	var cmd tea.Cmd
	m.input, cmd = m.input.Update(msg)
	return cmd
}

func (m *model) close() {
	m.prompt, m.note = "", ""
	m.input.Blur()
}

// entered carries out what was typed; a wrong filter stays to be mended.
func (m *model) entered() tea.Cmd {
	text := m.input.Value()
	if m.prompt == "/" {
		if m.setFilter(text) == nil {
			m.close()
		}
		return nil
	}
	m.close()
	return m.command(text)
}

// wrong is what the typed filter lacks, "" when it is right.
func (m *model) wrong() string {
	if m.prompt != "/" {
		return ""
	}
	_, err := filter.Parse(m.input.Value())
	return m.said(err)
}

// commands lists what ":" takes.
func commands() []Binding {
	return []Binding{
		{":view NAME", "go to a view"},
		{":window 1m|5m|15m|60m|all", "count over that time"},
		{":filter EXPR", "show only what fits"},
		{":export FILE.ndjson|.csv", "write the view to a file"},
		{":quit", "leave"},
	}
}

func (m *model) command(text string) tea.Cmd {
	name, arg, _ := strings.Cut(strings.TrimSpace(text), " ")
	arg = strings.TrimSpace(arg)
	switch name {
	case "":
	case "q", "quit":
		return tea.Quit
	case "v", "view":
		if i := m.named(arg); i >= 0 {
			m.jump(i)
		} else {
			m.note = fmt.Sprintf("no view %q; there are %s", arg, strings.Join(m.names(), ", "))
		}
	case "w", "window":
		m.setWindow(arg)
	case "filter":
		m.note = m.said(m.setFilter(arg))
	case "e", "export":
		m.export(arg)
	case "help":
		m.help = true
	default:
		m.note = fmt.Sprintf("no command %q; ? lists them", name)
	}
	return nil
}

func (m *model) setWindow(arg string) {
	w, ok := store.ParseWindow(arg)
	if !ok {
		m.note = fmt.Sprintf("no window %q; there are 1m, 5m, 15m, 60m and all", arg)
		return
	}
	m.window = w
	m.again()
}

func (m *model) names() (names []string) {
	for _, v := range m.views {
		names = append(names, v.Name())
	}
	return names
}
