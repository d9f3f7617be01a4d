package ratelimit

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/mongo"
)

// Commands asks the rate limits of a listener about its commands of MongoDB.
type Commands struct {
	set    *Set
	limits []*Limit // that are counted here
	stages []stage
}

var _ mongo.Guard = (*Commands)(nil)

// Commands asks those of the limits that are about commands; it is nil where
// there are none.
func (s *Set) Commands(all []config.RateLimit) (*Commands, error) {
	g := &Commands{set: s}
	var global []*Limit
	for i := range all {
		if all[i].For() == config.HTTP {
			continue
		}
		l, err := s.limit(&all[i])
		if err != nil {
			return nil, err
		}
		if all[i].Global {
			global = append(global, l)
		} else {
			g.limits = append(g.limits, l)
		}
	}
	if len(g.limits)+len(global) == 0 {
		return nil, nil
	}
	g.stages = stagesOf(global)
	return g, nil
}

// Admit implements mongo.Guard. As with requests of HTTP, a command that one
// limit refuses counts for no other. What the service says of it is asked for
// when the caller is ready to wait.
func (g *Commands) Admit(c *mongo.Command) *mongo.Refusal {
	var t taken
	r := g.count(c, &t)
	if r == nil && g.asks(c) {
		taken := t // on the heap, which t need not be
		c.Ask = func(ctx context.Context) *mongo.Refusal { return g.ask(ctx, c, &taken) }
	}
	return r
}

// count takes a token for c of each limit's bucket; it fails at the first that
// has none.
func (g *Commands) count(c *mongo.Command, t *taken) *mongo.Refusal {
	now := g.set.now()
	for _, l := range g.limits {
		if (*command)(c).spares(l) {
			continue
		}
		e := l.entry((*command)(c), now)
		if e == nil {
			continue
		}
		l.enabled.Add(1)
		if e.take(&l.rate, now, l.hits) {
			l.ok.Add(1)
			t.add(counted{l, e})
		} else if l.refuse(e, now) {
			t.giveBack()
			return l.refusal
		}
	}
	return nil
}

// asks reports whether the service is to be asked about c.
func (g *Commands) asks(c *mongo.Command) bool {
	for i := range g.stages {
		if slices.ContainsFunc(g.stages[i], func(l *Limit) bool { return l.concerns((*command)(c)) }) {
			return true
		}
	}
	return false
}

// ask asks the service about c, for which t was taken here, stage by stage.
func (g *Commands) ask(ctx context.Context, c *mongo.Command, t *taken) *mongo.Refusal {
	for i := range g.stages {
		v := g.set.consult(ctx, (*command)(c), g.stages[i])
		switch {
		case v.denied:
			t.giveBack()
			return unanswered
		case v.over != nil:
			t.giveBack()
			return v.over.refusal
		}
	}
	return nil
}

// unanswered refuses a command about which the service has not answered, where
// that is not to let it go on.
var unanswered = &mongo.Refusal{
	Code: 1, CodeName: "InternalError", Message: "the rate limit service does not answer", Labels: []string{"NoWritesPerformed"}, Flags: event.FlagRLSE,
}

// spared reports whether a command is none of an application's: what drivers and
// monitors say of their own accord; nor one that ends what costs the server
// something, and would go on costing it. Such a command is limited where a limit
// names it.
func spared(c *mongo.Command) bool {
	if c.Handshake || c.Chatter {
		return true
	}
	switch c.Operation {
	case "killCursors", "killSessions", "killAllSessions", "commitTransaction", "abortTransaction":
		return true
	}
	return false
}

// names reports whether an action of l names that command.
func (l *Limit) names(operation string) bool {
	return slices.ContainsFunc(l.actions, func(a action) bool {
		return a.kind == mongoCommand && slices.ContainsFunc(a.only, func(s string) bool { return strings.EqualFold(s, operation) })
	})
}

// command is a subject.
type command mongo.Command

func (c *command) spares(l *Limit) bool {
	return spared((*mongo.Command)(c)) && !l.names(c.Operation)
}

func (c *command) value(b []byte, a *action) []byte {
	switch a.kind {
	case destinationCluster:
		return append(b, c.Cluster...)
	case address, network:
		return a.appendAddress(b, c.Client)
	case mongoCallSite:
		return a.appendSite(b, &c.Site)
	case mongoApp:
		if a.takes(func(s string) bool { return s == c.Application }) {
			b = append(b, c.Application...)
		}
	case mongoCommand:
		if a.takes(func(s string) bool { return strings.EqualFold(s, c.Operation) }) {
			b = append(b, c.Operation...)
		}
	case mongoDatabase:
		if a.takes(func(s string) bool { return s == c.Database }) {
			b = append(b, c.Database...)
		}
	case mongoCollection:
		if c.Collection != "" && a.takes((*mongo.Command)(c).In) {
			b = append(append(append(b, c.Database...), '.'), c.Collection...)
		}
	}
	return b
}

// takes reports whether the action takes a value which one of its own fits.
func (a *action) takes(fits func(string) bool) bool {
	return len(a.only) == 0 || slices.ContainsFunc(a.only, fits)
}

// appendSite adds the place in the code that a command comes from: its file and
// line, else what else tells it.
func (a *action) appendSite(b []byte, s *event.CallSite) []byte {
	if !a.takes(func(part string) bool { return mongo.At(s, part) }) {
		return b
	}
	switch {
	case s.File != "" && s.Line > 0:
		return strconv.AppendInt(append(append(b, s.File...), ':'), int64(s.Line), 10)
	case s.Function != "":
		return append(b, s.Function...)
	case s.File != "":
		return append(b, s.File...)
	}
	return append(b, s.Name...)
}
