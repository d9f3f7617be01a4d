package tui

import (
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tui/store"
)

// model is the program: which view is shown, of what, and what was typed.
type model struct {
	opt    Options
	look   *Look
	views  []View
	at     int
	crumbs []crumb // where esc goes back to
	w, h   int

	snap   *store.Snapshot
	window store.Window
	filter string
	paused bool
	behind uint64          // exchanges seen since the pause
	ended  <-chan struct{} // closed when no more will come
	over   bool

	input  textinput.Model
	prompt string // "/" or ":" while something is typed
	note   string // what the last key led to
	help   bool
}

// crumb is a view and the filter that it had.
type crumb struct {
	at     int
	filter string
}

// tick asks for the next snapshot.
type tick struct{}

func newModel(o Options, ended <-chan struct{}) *model {
	o = o.withDefaults()
	look := newLook(o.ASCII, true, o.Zone)
	m := &model{opt: o, look: look, views: Views(look, o.Clusters), ended: ended, w: 80, h: 24, input: textinput.New(), window: store.Minute}
	if o.Replay {
		m.window = store.All
	}
	m.input.Prompt = ""
	m.input.CharLimit = filter.MaxLength
	m.setFilter(o.Filter.String())
	return m
}

// Init asks for the terminal's background and begins to tick.
func (m *model) Init() tea.Cmd { return tea.Batch(tea.RequestBackgroundColor, m.tick()) }

func (m *model) tick() tea.Cmd {
	return tea.Tick(m.opt.Every, func(time.Time) tea.Msg { return tick{} })
}

// Update is the only place where the model changes.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case tea.BackgroundColorMsg:
		*m.look = *newLook(m.opt.ASCII, msg.IsDark(), m.opt.Zone)
	case tick:
		m.refresh()
		return m, m.tick()
	case tea.KeyPressMsg:
		return m, m.press(msg)
	case tea.PasteMsg:
		if m.prompt != "" {
			return m, m.typed(msg)
		}
	case tea.MouseWheelMsg:
		m.wheel(msg)
	case tea.MouseClickMsg:
		m.click(msg.X, msg.Y)
	}
	return m, nil
}

// bodyTop is the line that views begin on, after the bar and the tabs.
const bodyTop = 2

// click chooses a view on the tabs or a row below them.
func (m *model) click(x, y int) {
	if y >= bodyTop {
		m.views[m.at].Click(y - bodyTop)
		return
	}
	for i, right := 0, 0; y == bodyTop-1 && i < len(m.views); i++ {
		left := right
		if right += len(tabName(i, m.views[i])) + 2; left <= x && x < right {
			m.jump(i)
			return
		}
	}
}

func (m *model) wheel(msg tea.MouseWheelMsg) {
	switch msg.Button {
	case tea.MouseWheelUp:
		m.views[m.at].Key("up")
	case tea.MouseWheelDown:
		m.views[m.at].Key("down")
	}
}

// refresh takes a snapshot, or while paused only counts what it misses.
func (m *model) refresh() {
	select {
	case <-m.ended:
		m.over = true
	default:
	}
	if m.paused {
		m.behind = m.opt.Store.Seen() - m.snap.Seen
		return
	}
	m.take(m.views[m.at].Parts())
}

func (m *model) take(parts store.Parts) {
	q := store.Query{Parts: parts, Window: m.window, Rows: liveRows}
	if !m.opt.Replay && !m.over {
		q.Now = m.opt.Now()
	}
	m.snap = m.opt.Store.Snapshot(q)
	m.behind = 0
	m.views[m.at].Show(m.snap)
}

// everything is what a pause holds fast, so that one can walk through views.
const everything = store.PartServices | store.PartMongo | store.PartRecent

func (m *model) again() {
	if m.paused {
		m.take(everything)
		return
	}
	m.take(m.views[m.at].Parts())
}

func (m *model) show(i int) {
	m.at = i
	if m.paused {
		m.views[i].Show(m.snap)
		return
	}
	m.again()
}

// setFilter applies an expression, or says what is wrong with it.
func (m *model) setFilter(expr string) error {
	f, err := filter.Parse(expr)
	if err != nil {
		return err
	}
	m.filter = f.String()
	m.opt.Store.Filter(f)
	m.again()
	return nil
}

// press takes one key: the prompt first, then the help, the view, the program.
func (m *model) press(k tea.KeyPressMsg) tea.Cmd {
	key := k.String()
	if key == "ctrl+c" {
		return tea.Quit
	}
	if m.prompt != "" {
		return m.typed(k)
	}
	m.note = ""
	if m.help {
		m.help = false
		return nil
	}
	if a, ok := m.views[m.at].Key(key); ok {
		m.act(a)
		return nil
	}
	return m.global(key)
}

// act carries out what a view asked for.
func (m *model) act(a Action) {
	i := m.named(a.Open)
	if i < 0 {
		return
	}
	from := crumb{m.at, m.filter}
	expr := a.Filter
	if m.filter != "" {
		expr = m.filter + " " + expr
	}
	m.at = i
	if err := m.setFilter(expr); err != nil {
		m.at, m.note = from.at, err.Error()
		return
	}
	m.crumbs = append(m.crumbs, from)
	m.show(i)
}

func (m *model) named(name string) int {
	return slices.IndexFunc(m.views, func(v View) bool { return strings.EqualFold(v.Name(), name) })
}

func (m *model) global(key string) tea.Cmd {
	switch key {
	case "q":
		if len(m.crumbs) == 0 {
			return tea.Quit
		}
		m.back()
	case "esc":
		m.back()
	case "tab":
		m.jump((m.at + 1) % len(m.views))
	case "shift+tab":
		m.jump((m.at + len(m.views) - 1) % len(m.views))
	case "space":
		m.pause()
	case "w":
		m.window = m.window.Next()
		m.again()
	case "e":
		m.export("")
	case "?":
		m.help = true
	case "/", ":":
		return m.ask(key)
	default:
		if len(key) == 1 && key[0] >= '1' && int(key[0]-'1') < len(m.views) {
			m.jump(int(key[0] - '1'))
		}
	}
	return nil
}

// jump goes to a view from anywhere; there is no way back to remember.
func (m *model) jump(i int) {
	m.crumbs = nil
	m.show(i)
}

// back undoes the last drill, or the filter where there was none.
func (m *model) back() {
	n := len(m.crumbs)
	if n == 0 {
		m.note = m.said(m.setFilter(""))
		return
	}
	c := m.crumbs[n-1]
	m.crumbs, m.at = m.crumbs[:n-1], c.at
	m.note = m.said(m.setFilter(c.filter))
	m.show(c.at)
}

func (m *model) pause() {
	if m.paused = !m.paused; m.paused {
		m.take(everything)
		return
	}
	m.again()
}

func (m *model) said(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}
