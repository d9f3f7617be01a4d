package event

// Severity of a Notice, as OpenTelemetry's log severities.
type Severity uint8

const (
	Info Severity = iota
	Warn
	Critical
)

func (s Severity) String() string {
	return [...]string{"info", "warn", "error", "error"}[s&3]
}

// ParseSeverity is the inverse of String; anything unknown is Info.
func ParseSeverity(s string) Severity {
	switch s {
	case "warn":
		return Warn
	case "error":
		return Critical
	}
	return Info
}

// Notice is anything worth telling that is not an exchange: a gap in a
// capture, an upgrade, a decoder that lost its place. It is lent to the
// Emitter as an Exchange is.
type Notice struct {
	Time       int64  // nanoseconds since the Unix epoch
	Name       string // one of the Event... names of semconv.go
	Severity   Severity
	Service    string
	TraceID    TraceID
	SpanID     SpanID
	Body       string // one sentence
	Attributes []KeyValue
}

// Emitter takes what a decoder or a proxy found. What it is given is lent for
// the length of the call: it must copy what it keeps. It may complete an
// exchange in place (names, ids), and who told it may read that afterwards.
type Emitter interface {
	Exchange(*Exchange)
	Notice(*Notice)
}
