package tui

import (
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/internal/status"
	"github.com/pitot-io/pitot/tui/store"
)

// View is one screen: state and a rendering of it. It knows the snapshot that
// it was shown last and nothing else.
type View interface {
	Name() string
	Parts() store.Parts               // what its snapshots have to hold
	Show(s *store.Snapshot)           // render this from now on
	Render(w, h int) string           // exactly h lines of w cells
	Key(k string) (a Action, ok bool) // ok: the key meant something here
	Click(line int)                   // the mouse, on that line of the view
	Keys() []Binding                  // what its keys do, for the help
	Export() Table
}

// Action is what a key in a view asks of the program.
type Action struct {
	Open   string // name of the view to go to; empty: stay
	Filter string // expression to show there
}

// Binding is a line of the help.
type Binding struct{ Keys, Does string }

// Table is what a view exports.
type Table struct {
	Head []string
	Rows [][]any // text, whole numbers and floats
}

// Views lists every view, in the order of their keys 1, 2, 3. of tells of a
// proxy's clusters; nil where there is none.
func Views(l *Look, of func() *status.Clusters) []View {
	return []View{newServices(l), newLive(l), newMongo(l), newClusters(l, of), newEvents(l)}
}

// equals is a filter term for a value that may hold anything.
func equals(field, value string) string {
	if value == "" {
		return field + `:""`
	}
	return field + ":" + filter.Quote(value)
}
