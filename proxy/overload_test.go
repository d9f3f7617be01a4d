package proxy

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/overload"
)

// shedding waits for the notice that an action begins, or ends.
func (r *rig) shedding(action, phase string) event.Notice {
	r.t.Helper()
	for {
		n := r.notice(event.EventShed)
		if attribute(&n, event.AttrShedAction) == action && attribute(&n, event.AttrPhase) == phase {
			return n
		}
	}
}

// Connections are closed as they come while there are too many; who is there
// goes on.
func TestOverloadRejectsConnections(t *testing.T) {
	r := run(t, func(c *config.Config) {
		only(config.OverloadAction{Action: config.RejectConnections, Resource: config.Connections, At: 50})(c)
		c.Listeners[0].Protocol, c.Overload.MaxConnections = config.TCP, 2
	}, serve(t, echo))
	before := r.dial()
	say(t, before, "a")
	hear(t, before, "a")
	if n := r.shedding(config.RejectConnections, event.PhaseBegin); n.Severity != event.Warn || n.Body != "overload: reject_connections, as connections is at 50 %" {
		t.Errorf("told %+v", n)
	}
	for range 3 {
		if err := r.turnedAway(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("one more: %v", err)
		}
	}
	say(t, before, "b")
	hear(t, before, "b")
	if n, taken := r.listeners[0].stats.CxReject.Load(), r.overload.Taken(overload.RejectConnections); n != 3 || taken != 3 {
		t.Errorf("%d were counted by the listener, %d by the overload", n, taken)
	}
	before.Close()
	if n := r.shedding(config.RejectConnections, event.PhaseEnd); attribute(&n, event.AttrRefused) != "3" {
		t.Errorf("told %+v", n)
	}
	after := r.dial()
	say(t, after, "c")
	hear(t, after, "c")
}

// released is how much memory the process has given back to the system.
func released() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// Memory that is not in use any more goes back to the system, which Go left to
// itself would do only later.
func TestOverloadShrinksMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // nobody else collects
	r := run(t, func(c *config.Config) {
		only(config.OverloadAction{Action: config.ShrinkMemory, Resource: config.Memory, At: 90})(c)
		c.Listeners[0].Protocol = config.TCP
	}, serve(t, echo))
	c := r.dial()
	say(t, c, "a")
	hear(t, c, "a")
	const size = 64 << 20
	waste := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		waste[i] = 1
	}
	runtime.KeepAlive(waste)
	before := released()
	few := *r.settings()
	few.Overload.MaxMemory = 1
	if err := r.Reload(&few); err != nil {
		t.Fatal(err)
	}
	r.shedding(config.ShrinkMemory, event.PhaseBegin)
	await(t, "memory is given back", func() bool { return released() > before+size/2 })
	if n := r.overload.Taken(overload.Shrink); n != 1 {
		t.Errorf("taken %d times", n)
	}
	say(t, c, "b")
	hear(t, c, "b")
}

// Each action is told when it begins and ends.
func TestOverloadTellsEveryAction(t *testing.T) {
	all := []string{config.StopRequests, config.DisableKeepalive, config.StopConnections, config.RejectConnections, config.ShrinkMemory}
	r := run(t, func(c *config.Config) {
		c.Overload = config.Overload{MaxGoroutines: 1}
		for _, a := range all {
			c.Overload.Actions = append(c.Overload.Actions, config.OverloadAction{Action: a, Resource: config.Goroutines, At: 95})
		}
	}, serve(t, echo))
	told, heard := map[string][]string{}, &notices{rig: r}
	for i := range 2 * len(all) {
		if i == len(all) {
			many := *r.settings()
			many.Overload.MaxGoroutines = 0
			if err := r.Reload(&many); err != nil {
				t.Fatal(err)
			}
		}
		n := heard.next(event.EventShed)
		action := attribute(&n, event.AttrShedAction)
		told[action] = append(told[action], attribute(&n, event.AttrPhase)+" by "+attribute(&n, event.AttrShedBy))
	}
	for _, a := range all {
		if want := []string{"begin by overload", "end by overload"}; !slices.Equal(told[a], want) {
			t.Errorf("%s: %q, want %q", a, told[a], want)
		}
	}
}
