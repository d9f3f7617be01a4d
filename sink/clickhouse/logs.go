package clickhouse

import (
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// logs collects rows of otel_logs by column.
type logs struct {
	columns []field
	arena   arena
	shift   int64
	version string

	at                                   []time.Time
	traceID, spanID, severity, service   []string
	body, scope, scopeVersion, eventName []string
	number                               []uint8
	resource, attrs                      attrMaps
}

func (l *logs) init(o Options) {
	l.shift, l.version = int64(o.Shift), o.Version
	l.columns = []field{
		values("Timestamp", instant, &l.at), values("TraceId", text, &l.traceID), values("SpanId", text, &l.spanID),
		values("SeverityText", text, &l.severity), values("SeverityNumber", "UInt8", &l.number), values("ServiceName", text, &l.service),
		values("Body", text, &l.body), maps("ResourceAttributes", &l.resource),
		values("ScopeName", text, &l.scope), values("ScopeVersion", text, &l.scopeVersion),
		maps("LogAttributes", &l.attrs), values("EventName", text, &l.eventName),
	}
}

func (l *logs) reset() {
	l.arena.reset()
	for _, c := range l.columns {
		c.empty()
	}
}

func (l *logs) add(n *event.Notice) {
	name, number := severity(n.Severity)
	l.at = append(l.at, stamp(n.Time, l.shift))
	l.traceID, l.spanID = append(l.traceID, l.arena.hex(n.TraceID[:])), append(l.spanID, l.arena.hex(n.SpanID[:]))
	l.severity, l.number = append(l.severity, name), append(l.number, number)
	l.service, l.body, l.eventName = append(l.service, n.Service), append(l.body, n.Body), append(l.eventName, n.Name)
	l.scope, l.scopeVersion = append(l.scope, "pitot"), append(l.scopeVersion, l.version)
	l.resource.add("service.name", n.Service)
	l.resource.end()
	for _, kv := range n.Attributes {
		l.attrs.add(kv.Key, kv.Value)
	}
	l.attrs.end()
}

// severity is OpenTelemetry's text and number (logs data model, SeverityNumber).
func severity(s event.Severity) (string, uint8) {
	switch s {
	case event.Warn:
		return "WARN", 13
	case event.Critical:
		return "ERROR", 17
	}
	return "INFO", 9
}
