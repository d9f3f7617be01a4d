package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/pitot-io/pitot/tui/store"
)

// updating reports whether -update, which teatest defines, asks for the golden
// files and docs/screens to be written anew.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

// keys sends what a user types: single characters, or names in <>.
func keys(m *model, typed string) {
	for typed != "" {
		name, rest := typed[:1], typed[1:]
		if name == "<" {
			name, rest, _ = strings.Cut(rest, ">")
		}
		typed = rest
		m.Update(keyOf(name))
	}
}

func keyOf(name string) tea.KeyPressMsg {
	special := map[string]tea.Key{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "up": {Code: tea.KeyUp},
		"space": {Code: tea.KeySpace, Text: " "}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+d": {Code: 'd', Mod: tea.ModCtrl},
		"ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "down": {Code: tea.KeyDown},
	}
	if k, ok := special[name]; ok {
		return tea.KeyPressMsg(k)
	}
	r, _ := utf8.DecodeRuneInString(name)
	return tea.KeyPressMsg{Code: r, Text: name}
}

func text(m *model) string { return ansi.Strip(m.View().Content) }

func TestScreens(t *testing.T) {
	for _, c := range []struct{ name, keys string }{
		{"services", ""},
		{"live", "2"},
		{"live-filter", "2/status:error<enter>"},
		{"live-wrong-filter", "2/durations>5"},
		{"live-detail", "2k<enter>"},
		{"live-paused", "2<space>"},
		{"mongo", "3"},
		{"mongo-shapes", "3j<enter>"},
		{"help", "?"},
		{"drilled", "jj<enter>"},
	} {
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}, {40, 10}} {
			t.Run(fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1]), func(t *testing.T) {
				m := screenOf(shop(), size[0], size[1])
				keys(m, c.keys)
				got := text(m)
				checkSize(t, got, size[0], size[1])
				golden(t, filepath.Join("testdata", strings.TrimPrefix(t.Name(), "TestScreens/")+".txt"), got)
			})
		}
	}
}

// Every line is exactly as wide as the screen, so nothing wraps or is left over.
func checkSize(t *testing.T, screen string, w, h int) {
	t.Helper()
	ls := strings.Split(screen, "\n")
	if len(ls) != h {
		t.Errorf("%d lines, want %d", len(ls), h)
	}
	for i, l := range ls {
		if n := ansi.StringWidth(l); n != w {
			t.Errorf("line %d has %d cells, want %d: %q", i+1, n, w, l)
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	var b strings.Builder
	for line := range strings.SplitSeq(got, "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if updating() {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; write it with go test ./tui -update", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// The pictures of the documentation are what the program draws.
func TestPicturesOfTheDocumentation(t *testing.T) {
	for name, typed := range map[string]string{"services": "", "mongo": "3j<enter>"} {
		m := screenOf(shop(), 80, 24)
		keys(m, typed)
		golden(t, filepath.Join("..", "docs", "screens", name+".txt"), text(m))
	}
}

func TestASCII(t *testing.T) {
	m := newModel(Options{Store: shop(), ASCII: true}, nil)
	for _, typed := range []string{"", "2<enter>", "3", "?"} {
		keys(m, typed)
		for _, r := range text(m) {
			if r > 127 {
				t.Fatalf("after %q the screen holds %q", typed, r)
			}
		}
	}
}

func TestEverySizeIsFilledExactly(t *testing.T) {
	s := shop()
	for _, typed := range []string{"", "2", "2k<enter>", "3", "3j<enter>", "?", "/x y", "<space>"} {
		m := screenOf(s, 80, 24)
		keys(m, typed)
		for w := 1; w < 210; w += 19 {
			for h := 1; h < 62; h += 8 {
				m.w, m.h = w, h
				checkSize(t, text(m), w, h)
				if t.Failed() {
					t.Fatalf("at %dx%d after %q", w, h, typed)
				}
			}
		}
	}
}

func TestSummary(t *testing.T) {
	golden(t, filepath.Join("testdata", "summary-100.txt"), strings.TrimSuffix(Summary(shop(), 100), "\n"))
	if got := Summary(store.New(store.DefaultLimits()), 80); got != "" {
		t.Errorf("an empty store gives %q", got)
	}
}
