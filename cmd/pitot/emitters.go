package main

import (
	"io"
	"os"

	"github.com/charmbracelet/x/term"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tui"
	"github.com/pitot-io/pitot/tui/store"
)

// emitters hands everything to each of several.
type emitters []event.Emitter

func (e emitters) Exchange(x *event.Exchange) {
	for _, o := range e {
		o.Exchange(x)
	}
}

func (e emitters) Notice(n *event.Notice) {
	for _, o := range e {
		o.Notice(n)
	}
}

// filtered is e as one emitter, behind the filter where one was given.
func (e emitters) filtered(f *filter.Filter, given bool) event.Emitter {
	var out event.Emitter = e
	if len(e) == 1 {
		out = e[0]
	}
	if given {
		return filtering{out, f}
	}
	return out
}

// filtering lets through what fits, and everything that is no exchange.
type filtering struct {
	event.Emitter
	filter *filter.Filter
}

func (f filtering) Exchange(x *event.Exchange) {
	if f.filter.Match(x) {
		f.Emitter.Exchange(x)
	}
}

// summary collects what the table at the end of a replay shows: rate, errors
// and latencies by service and operation, and call sites.
type summary struct{ store *store.Store }

func newSummary() summary { return summary{store.New(store.DefaultLimits())} }

func (s summary) Exchange(x *event.Exchange) { s.store.Count(x) }

func (s summary) Notice(*event.Notice) {} // the table tells of none

const summaryWidth = 100 // cells, where there is no terminal to fill

func (s summary) print(w io.Writer) error {
	width := summaryWidth
	if f, ok := w.(*os.File); ok {
		if cells, _, err := term.GetSize(f.Fd()); err == nil {
			width = cells
		}
	}
	table := tui.Summary(s.store, width)
	if table == "" {
		return nil
	}
	_, err := io.WriteString(w, table+"\n")
	return err
}
