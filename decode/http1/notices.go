package http1

import (
	"strconv"

	"github.com/pitot-io/pitot/internal/event"
)

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

func (t *conn) ambiguous(d event.Dir, readings string, emit event.Emitter) {
	emit.Notice(&event.Notice{Time: t.half[d].last, Name: event.EventAmbiguous, Severity: event.Warn, Body: "http1: " + whose(d) + readings})
}

// missing tells a request that is not whole in a capture which has nothing of
// the server's side of the connection. As an exchange it would count as failed,
// and nobody knows.
func (t *conn) missing(e *entry, at int64, emit event.Emitter) {
	n := event.Notice{Time: at, Name: event.EventCaptureGap, Severity: event.Warn, TraceID: e.x.TraceID,
		Body: "http1: a request is not whole in the capture, which has nothing of the server: " + e.x.Name}
	list := [...]event.KeyValue{
		{Key: event.AttrHTTPMethod, Value: e.p.Method}, {Key: event.AttrServerAddress, Value: e.p.Host}, {Key: event.AttrURLPath, Value: e.p.Path},
		{Key: event.AttrRequestBytes, Value: strconv.FormatInt(e.x.RequestBytes, 10)},
	}
	n.Attributes = list[:]
	emit.Notice(&n)
}

func (t *conn) upgraded(e *entry, emit event.Emitter) {
	to := e.p.Upgrade
	if to == "" {
		to = "a protocol that the answer did not name"
	}
	emit.Notice(&event.Notice{Time: t.half[event.ToClient].last, Name: event.EventUpgraded, TraceID: e.x.TraceID,
		Body: "http1: connection goes on as " + to})
}
