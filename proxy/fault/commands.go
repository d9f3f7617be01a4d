package fault

import (
	"cmp"
	"slices"
	"strings"

	decodemongo "github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/mongo"
)

// Commands is the faults of a listener's commands of MongoDB. It is a
// mongo.Guard.
type Commands struct{ faults []*Fault }

// NewCommands compiles faults that have been checked; nil where there are none
// for MongoDB.
func NewCommands(all []config.Fault, o Options) (*Commands, error) {
	s := new(Commands)
	for i := range all {
		if c := &all[i]; forMongoDB(c) {
			f, err := newFault(i, c, o)
			if err != nil {
				return nil, err
			}
			if !c.Abort.Reset && c.Abort.MongoDB.None() {
				f.abort = 0
			}
			s.faults = append(s.faults, f)
		}
	}
	if len(s.faults) == 0 {
		return nil, nil
	}
	return s, nil
}

// forMongoDB reports whether a fault has anything to do to commands.
func forMongoDB(c *config.Fault) bool {
	only := *c // what is for HTTP alone left out
	only.Headers, only.Abort.Status, only.Abort.GRPC = false, 0, ""
	if !only.Abort.Reset && only.Abort.MongoDB.None() {
		only.Abort.Percent = ""
	}
	return len(c.Match.Headers) == 0 && !only.None()
}

// Admit is mongo.Guard's.
func (s *Commands) Admit(c *mongo.Command) *mongo.Refusal {
	for _, f := range s.faults {
		if f.goes(c.Client, c.Cluster) && f.commands(c) {
			return f.command(c)
		}
	}
	return nil
}

// commands reports whether a command fits. One of those by which drivers begin a
// connection does when it is named.
func (f *Fault) commands(c *mongo.Command) bool {
	m := &f.config.Match
	named := slices.ContainsFunc(m.Commands, func(s string) bool { return strings.EqualFold(s, c.Operation) })
	switch {
	case !named && (c.Handshake || len(m.Commands) > 0):
	case len(m.Databases) > 0 && !slices.Contains(m.Databases, c.Database):
	case len(m.Collections) > 0 && !slices.ContainsFunc(m.Collections, c.In):
	case len(m.CallSites) > 0 && !slices.ContainsFunc(m.CallSites, func(s string) bool { return mongo.At(&c.Site, s) }):
	default:
		return true
	}
	return false
}

// command draws what happens to a command.
func (f *Fault) command(c *mongo.Command) *mongo.Refusal {
	var l lot
	if f.delay.draw() {
		l.delay = f.delay.time()
	}
	for d := range f.rates {
		if f.rates[d].draw() {
			l.rates[d] = f.rates[d].limit
		}
	}
	if f.cut.draw() {
		l.cut = int64(f.config.Cut.After)
	}
	refused := f.abort.draw()
	if l == (lot{}) && !refused || !f.enter() {
		return nil
	}
	c.Delay, c.Pacer = l.delay, f.pacer(&l)
	if l.delay > 0 {
		f.stats.Delays.Add(1)
	}
	if l.delay > 0 || l.rates != [2]int64{} {
		c.Flags |= event.FlagDI
	}
	if !refused {
		return nil
	}
	f.stats.Aborts.Add(1)
	return refusal(&f.config.Abort)
}

func refusal(a *config.FaultAbort) *mongo.Refusal {
	e := &a.MongoDB
	code := int32(e.Code)
	return &mongo.Refusal{
		Code: code, CodeName: cmp.Or(e.CodeName, decodemongo.CodeName(code)), Message: cmp.Or(e.Message, "fault_filter_abort"), Labels: e.Labels,
		Reset: a.Reset, Flags: event.FlagFI,
	}
}
