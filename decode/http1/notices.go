package http1

import "github.com/pitot-io/pitot/internal/event"

// whose messages go in a direction.
func whose(d event.Dir) string {
	if d == event.ToServer {
		return "request: "
	}
	return "answer: "
}

func (t *conn) failure(d event.Dir, at int64, why string, emit event.Emitter) {
	emit.Notice(&event.Notice{Time: at, Name: event.EventDecodeFailure, Severity: event.Warn,
		Body: "http1: " + whose(d) + why + "; looking for the next start line"})
}

func (t *conn) ambiguous(d event.Dir, emit event.Emitter) {
	h := &t.half[d]
	emit.Notice(&event.Notice{Time: h.last, Name: event.EventAmbiguous, Severity: event.Warn,
		Body: "http1: " + whose(d) + h.head.Ambiguous})
}

func (t *conn) upgraded(e *entry, emit event.Emitter) {
	to := e.p.Upgrade
	if to == "" {
		to = "a protocol that the answer did not name"
	}
	emit.Notice(&event.Notice{Time: t.half[event.ToClient].last, Name: event.EventUpgraded, TraceID: e.x.TraceID,
		Body: "http1: connection goes on as " + to})
}
