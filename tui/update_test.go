package tui

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tui/store"
)

// quits reports whether cmd is the one that ends the program.
func quits(cmd tea.Cmd) bool {
	if cmd == nil {
		return false
	}
	_, ok := cmd().(tea.QuitMsg)
	return ok
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ name, keys, want, not string }{
		{"number opens a view", "3", "[3 Mongo]", ""},
		{"tab goes round", "<tab><tab><tab><tab><tab>", "[1 Services]", ""},
		{"shift-tab goes back", "<shift+tab>", "[5 Events]", ""},
		{"w takes the next window", "w", "window 5m", ""},
		{"command sets the window", ":window 60m<enter>", "window 60m", ""},
		{"unknown window is said", ":window 7m<enter>", `no window "7m"; there are 1m`, ""},
		{"command opens a view", ":view live<enter>", "[2 Live]", ""},
		{"unknown view is said", ":view x<enter>", "there are Services, Live, Mongo", ""},
		{"unknown command is said", ":fly<enter>", `no command "fly"`, ""},
		{"filter holds in every view", "/protocol:mongodb<enter>", "orders-db", "shop   "},
		{"esc clears the filter", "/protocol:mongodb<enter><esc>", "filter: -", ""},
		{"filter by command", ":filter service:shop<enter>", "filter: service:shop", ""},
		{"wrong filter stays to be mended", "/foo:x<enter>", `unknown field "foo"`, ""},
		{"esc leaves the prompt", "/foo:x<esc>", "filter: -", "unknown"},
		{"enter folds a service", "<enter>", "▸ orders-db", "find stock"},
		{"enter unfolds it", "<enter><enter>", "find stock", ""},
		{"h folds from a route", "jh", "▸ orders-db", ""},
		{"sort is marked", "s", "ERR%v", ""},
		{"reverse is marked", "S", "RATE/s^", ""},
		{"enter on a route drills", "j<enter>", `filter: protocol:mongodb name:"find stock"`, ""},
		{"q comes back from there", "j<enter>q", "[1 Services]", "find stock\""},
		{"esc comes back too", "j<enter><esc>", "filter: -", ""},
		{"o shows a call site's commands", "3jo", `filter: db:shop collection:orders operation:find call_sit`, ""},
		{"hint tells of a query in a loop", "3jjj<enter>", "up to 6 calls of one shape in one trace", ""},
		{"details tell the call site", "2<enter>", "pitot.call_site", ""},
		{"esc closes the details", "2<enter><esc>", "[2 Live]", "detail ─"},
		{"z gives them the screen", "2<enter>z", "pitot.mongo.request_id", "OPERATION"},
		{"help tells of the view", "3?", "query shapes", ""},
		{"any key closes the help", "?x", "SERVICE / ROUTE", "Everywhere"},
		{"pause is shown", "<space>", "PAUSED +0", ""},
		{"second space goes on", "<space><space>", "LIVE", "PAUSED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := screenOf(shop(), 120, 40)
			keys(m, c.keys)
			got := text(m)
			if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("want %q and not %q in\n%s", c.want, c.not, got)
			}
		})
	}
}

func TestMouse(t *testing.T) {
	m := screenOf(shop(), 120, 40)
	m.View() // a click is on what was drawn
	m.Update(tea.MouseClickMsg{X: 4, Y: 5, Button: tea.MouseLeft})
	if v := m.views[0].(*services); v.cur != 2 {
		t.Errorf("a click on the third row chose row %d", v.cur+1)
	}
	m.Update(tea.MouseClickMsg{X: 4, Y: 30, Button: tea.MouseLeft}) // nothing there
	m.Update(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
	if v := m.views[0].(*services); v.cur != 1 {
		t.Errorf("the wheel went to row %d", v.cur+1)
	}
	m.Update(tea.MouseClickMsg{X: 14, Y: 1, Button: tea.MouseLeft})
	if got := text(m); !strings.Contains(got, "[2 Live]") {
		t.Errorf("a click on the second tab:\n%s", got)
	}
}

func TestQuit(t *testing.T) {
	for _, k := range []string{"q", "ctrl+c"} {
		if m := screenOf(shop(), 80, 24); !quits(m.press(keyOf(k))) {
			t.Errorf("%s must quit", k)
		}
	}
	m := screenOf(shop(), 80, 24)
	keys(m, "j<enter>/x")
	if !quits(m.press(keyOf("ctrl+c"))) {
		t.Error("ctrl-c must quit from a prompt")
	}
	keys(m, "<esc>:quit")
	if !quits(m.press(keyOf("enter"))) {
		t.Error(":quit must quit")
	}
}

// While the screen is held, counting goes on and the bar says how far.
func TestPauseHoldsTheScreen(t *testing.T) {
	s := shop()
	m := screenOf(s, 120, 40)
	keys(m, "2<space>")
	before := strings.SplitN(text(m), "\n", 2)[1]
	s.Apply(traffic(), noon)
	m.Update(tick{})
	got := strings.SplitN(text(m), "\n", 2)
	if got[1] != before {
		t.Error("the rows changed")
	}
	if n := len(traffic().Exchanges); !strings.Contains(got[0], "PAUSED +"+thousands(uint64(n))) {
		t.Errorf("bar: %s", got[0])
	}
	keys(m, "3")
	if !strings.Contains(text(m), "Cart.load") {
		t.Error("another view must show the moment of the pause")
	}
}

func TestLossIsShown(t *testing.T) {
	s := shop()
	b := new(event.Batch)
	b.Notice(&event.Notice{Time: 1, Name: event.EventLoss, Attributes: []event.KeyValue{{Key: "lost", Value: "34"}}})
	s.Apply(b, noon)
	m := newModel(Options{Store: s, Loss: func() LossCounters { return LossCounters{Queue: 1000, Kernel: 200} }}, nil)
	if got := text(m); !strings.Contains(got, "! lost 1,234 (") {
		t.Errorf("%s", got)
	}
}

// A certificate that expires soon is told until it is renewed.
func TestCertificatesAreWarnedOf(t *testing.T) {
	s := shop()
	tell := func(name, user, files, body string) {
		b := new(event.Batch)
		b.Notice(&event.Notice{Time: 1, Name: name, Body: body, Attributes: []event.KeyValue{{Key: "files", Value: files}, {Key: "used_by", Value: user}}})
		s.Apply(b, noon)
	}
	shows := func(want ...string) {
		t.Helper()
		got := text(screenOf(s, 160, 40))
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("no %q in\n%s", w, got)
			}
		}
		if len(want) == 0 && strings.Contains(got, "certificate") {
			t.Errorf("still told:\n%s", got)
		}
	}
	tell(event.EventCertExpiring, "web", "a.pem", "certificate of web expires in 4 days")
	shows("! certificate of web expires in 4 days")
	tell(event.EventCertExpiring, "web", "a.pem", "certificate of web expires in 3 days")
	shows("! certificate of web expires in 3 days")
	tell(event.EventCertFailed, "db", "b.pem,b.key", "certificate of db cannot be used")
	shows("! 2 certificates; certificate of web expires in 3 days")
	tell(event.EventCertReloaded, "web", "a.pem,a.key", "in use")
	shows("! certificate of db cannot be used")
	tell(event.EventCertReloaded, "db", "b.pem,b.key", "in use")
	shows()
}

func TestStateOfTheSource(t *testing.T) {
	ended := make(chan struct{})
	status := ""
	m := newModel(Options{Store: shop(), Status: func() string { return status }}, ended)
	status = "127.0.0.1:9901 refuses"
	if got := text(m); !strings.Contains(got, "x LOST CONTACT") || !strings.Contains(got, "x 127.0.0.1:9901 refuses") {
		t.Errorf("%s", got)
	}
	close(ended)
	m.Update(tick{})
	if got := text(m); !strings.Contains(got, "ENDED") {
		t.Errorf("%s", got)
	}
}

// What comes from the wire must not reach the terminal as a command.
func TestHostileNamesAreMadeSafe(t *testing.T) {
	evil := "GET \x1b]0;owned\x07\x1b[31m\r\n\u202e/"
	b := new(event.Batch)
	b.Exchange(&event.Exchange{Name: evil, Service: evil, Protocol: event.HTTP11, Start: 1, End: 2, HTTP: &event.HTTP{Path: evil, StatusCode: 200, UserAgent: evil}})
	b.Exchange(&event.Exchange{Name: evil, Service: evil, Protocol: event.MongoDB, Start: 1, End: 2, Mongo: &event.Mongo{Database: evil, Collection: evil, Operation: evil, Query: evil, Shape: 1, CodeName: evil, Site: event.CallSite{Name: evil}}})
	b.Notice(&event.Notice{Name: evil, Body: evil})
	s := store.New(store.DefaultLimits())
	s.Apply(b, noon)
	for _, typed := range []string{"", "2", "2<enter>z", "3j<enter>", "j<enter>"} {
		m := screenOf(s, 160, 40)
		keys(m, typed)
		screen := m.View().Content
		for _, bad := range []string{"\x1b]", "\x07", "\x1b[31m\r", "\r", "\u202e"} {
			if strings.Contains(screen, bad) {
				t.Fatalf("after %q the screen holds %q", typed, bad)
			}
		}
		checkSize(t, text(m), 160, 40)
	}
}

func TestExport(t *testing.T) {
	t.Chdir(t.TempDir())
	m := screenOf(shop(), 120, 40)
	keys(m, "e")
	if want := "rows written to pitot-services-20260102-120000.ndjson"; !strings.Contains(m.note, want) {
		t.Fatalf("note %q, want %q", m.note, want)
	}
	check := func(file string, want ...string) {
		t.Helper()
		b, err := os.ReadFile(file)
		for _, w := range want {
			if err != nil || !strings.Contains(string(b), w) {
				t.Errorf("%s lacks %s (%v):\n%.400s", file, w, err, b)
			}
		}
	}
	check("pitot-services-20260102-120000.ndjson", `{"service":"orders-db","route":"","protocol":"mongo","calls":734,`)
	keys(m, "2:export live.ndjson<enter>")
	check("live.ndjson", `{"kind":"span","trace_id":"4b`)
	keys(m, ":export live.csv<enter>3:export mongo.csv<enter>")
	check("live.csv", "start,protocol,service,name", "2026-01-02T12:00:00Z,mongodb,orders,find orders,unset,n=214")
	check("mongo.csv", "shop.orders,Cart.load app/cart.rb:90,find,")
	keys(m, ":export mongo.csv<enter>")
	if !strings.Contains(m.note, "exists; choose another name") {
		t.Errorf("a file that is there: %q", m.note)
	}
	keys(m, ":export "+filepath.Join("no", "such", "folder.csv")+"<enter>")
	if !strings.Contains(m.note, "export: open") {
		t.Errorf("a folder that is not there: %q", m.note)
	}
}

// The cursor stays on its row when the order changes.
func TestCursorStaysOnItsRow(t *testing.T) {
	m := screenOf(shop(), 120, 40)
	keys(m, "jjj")
	want := m.views[0].(*services).at
	keys(m, "ssss")
	v := m.views[0].(*services)
	if got := v.rows[v.cur].key; got != want || want == "" {
		t.Errorf("cursor went from %q to %q", want, got)
	}
}

// In Live it stays on its exchange while newer ones come, until one follows.
func TestCursorStaysOnItsExchange(t *testing.T) {
	s := shop()
	m := screenOf(s, 120, 40)
	keys(m, "2kkk")
	v := m.views[1].(*live)
	want := v.rows[v.cur]
	newer := new(event.Batch)
	for range 10 {
		newer.Exchange(&traffic().Exchanges[0])
	}
	s.Apply(newer, noon)
	m.Update(tick{})
	if v.rows[v.cur] != want {
		t.Errorf("the cursor went to row %d of %d", v.cur+1, len(v.rows))
	}
	keys(m, "f")
	m.Update(tick{})
	if v.cur != len(v.rows)-1 {
		t.Errorf("following, the cursor is on row %d of %d", v.cur+1, len(v.rows))
	}
}

func TestPlainTellsWhyItCannotWrite(t *testing.T) {
	err := Run(t.Context(), Options{Plain: true, Output: broken{}, Batches: full()})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, os.ErrClosed }

// full is a channel with all the traffic that is already closed.
func full() <-chan *event.Batch {
	c := make(chan *event.Batch, 1)
	c <- traffic()
	close(c)
	return c
}
