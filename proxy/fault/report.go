package fault

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// A fault is told of when it is injected first, then after every interval in
// which it was injected again, and when one has passed without it: not each
// time, spans have that.
const interval = 10 * time.Second

// report tells of one fault.
type report struct {
	name string
	o    Options

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	on    bool
	count int64 // since it began
	fresh int64 // since it was told last
}

func (r *report) init(name string, o Options) { r.name, r.o = name, o }

// hit notes that the fault is injected now.
func (r *report) hit() {
	if r.o.Tell == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if r.on {
		r.fresh++
		return
	}
	r.on = true
	r.tell(event.PhaseBegin, "is injected")
	if r.timer == nil {
		r.timer = time.AfterFunc(interval, r.look)
	} else {
		r.timer.Reset(interval)
	}
}

// look tells what has happened since it did so last.
func (r *report) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fresh == 0 {
		r.on = false
		r.tell(event.PhaseEnd, "has ended")
		r.count = 0
		return
	}
	r.tell(event.PhaseGoesOn, "goes on")
	r.fresh = 0
	r.timer.Reset(interval)
}

func (r *report) tell(phase, what string) {
	r.o.Tell(&event.Notice{
		Time: time.Now().UnixNano(), Name: event.EventFault, Severity: event.Info,
		Body: fmt.Sprintf("fault %s of %s %s", r.name, r.o.Where, what),
		Attributes: []event.KeyValue{
			{Key: event.AttrFault, Value: r.name}, {Key: event.AttrFaultWhere, Value: r.o.Where},
			{Key: event.AttrPhase, Value: phase}, {Key: event.AttrFaultCount, Value: strconv.FormatInt(r.count, 10)},
		},
	})
}
