package config

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/operator"
)

// AccessLog says where a line goes for every HTTP exchange of a listener, and for
// every connection that it forwards as it is, and what it is made of.
type AccessLog struct {
	File   string    `yaml:"file,omitempty"` // - is standard output
	OTLP   LogServer `yaml:"otlp,omitempty"`
	Text   string    `yaml:"text,omitempty"` // a format (internal/operator); DefaultLine by default
	JSON   Pairs     `yaml:"json,omitempty"` // an object of formats in place of text; of OTLP the attributes
	Filter LogFilter `yaml:"filter,omitempty"`
	Queue  Size      `yaml:"queue"` // bytes that wait to be written
}

// DefaultLine is the line of a log that has neither text nor json.
const DefaultLine = `[%START_TIME%] "%REQ(:METHOD)% %PATH% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ` +
	`%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESPONSE_DURATION% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" ` +
	`"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" "%ROUTE_NAME%" %TRACE_ID%`

// ConnectionLine is the same for connections that are forwarded as they are.
const ConnectionLine = `[%START_TIME%] %DOWNSTREAM_REMOTE_ADDRESS% "%REQUESTED_SERVER_NAME%" "%UPSTREAM_CLUSTER%" "%UPSTREAM_HOST%" %RESPONSE_FLAGS% ` +
	`%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %CONNECTION_TERMINATION_DETAILS% %CONNECTION_ID%`

// LogServer takes logs by OTLP over HTTP.
type LogServer struct {
	Endpoint string        `yaml:"endpoint"` // http://host:4318/v1/logs
	Headers  Pairs         `yaml:"headers,omitempty"`
	Service  string        `yaml:"service,omitempty"` // service.name; that of the listener by default
	Timeout  time.Duration `yaml:"timeout"`           // of one delivery; 10 s by default
}

// LogFilter says which exchanges are logged: those for which everything that is
// named holds.
type LogFilter struct {
	Status      string        `yaml:"status,omitempty"`       // a range: 500-599, or 400-; 0 is an exchange without answer
	MinDuration time.Duration `yaml:"min_duration,omitempty"` // this long and longer
	Flags       []string      `yaml:"flags,omitempty"`        // one of these response flags, or * for any
	Routes      []string      `yaml:"routes,omitempty"`       // names
	Headers     []FieldMatch  `yaml:"headers,omitempty"`      // of the request
	Sample      string        `yaml:"sample,omitempty"`       // so many of them: 1%
}

func (a *AccessLog) setDefaults() { a.Queue = 1 << 20 }

// settle fills in what follows from other keys, l's among them.
func (a *AccessLog) settle(l *Listener) {
	if a.Text == "" && len(a.JSON) == 0 {
		a.Text = DefaultLine
	}
	if a.OTLP.Endpoint != "" {
		a.OTLP.Service = cmp.Or(a.OTLP.Service, l.Service, l.Name)
		a.OTLP.Timeout = cmp.Or(a.OTLP.Timeout, 10*time.Second)
	}
	a.Queue = cmp.Or(a.Queue, 1<<20)
}

// ResponseFlags are the names of response flags: those of internal/event, which
// a test of the proxy compares.
func ResponseFlags() []string {
	return []string{
		"UH", "UF", "UO", "NR", "URX", "NC", "DT", "DC", "LH", "UT", "LR", "UR", "UC", "RL", "SI", "DPE", "UPE", "UMSDR", "OM", "DI", "FI", "RLSE",
	}
}

// ParseSample reads a share as 1% or 0.5%, in parts of a million.
func ParseSample(s string) (int, error) {
	number, ok := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(f > 0 && f <= 100) {
		return 0, fmt.Errorf("%q is not valid; must be a share above 0%%, as 1%% or 0.5%%", s)
	}
	return int(f*1e4 + 0.5), nil
}

// Range of an access log's queue, in bytes.
const (
	minQueue = 64 << 10
	maxQueue = 128 << 20
)

func (a *AccessLog) check(key string, wrong report) {
	switch otlp := a.OTLP.Endpoint != "" || len(a.OTLP.Headers) > 0; {
	case a.File == "" && !otlp:
		wrong(key, "must have file, with the name of a file or - for standard output, or otlp")
	case a.File != "" && otlp:
		wrong(key, "has both file and otlp; make it two entries")
	case otlp:
		a.OTLP.check(key+".otlp", wrong)
	case a.Text != "" && len(a.JSON) > 0:
		wrong(key, "has both text and json; keep one")
	}
	checkFormat(a.Text, key+".text", wrong)
	for _, p := range a.JSON {
		checkFormat(p.Value, key+".json."+p.Name, wrong)
	}
	if a.Queue < minQueue || a.Queue > maxQueue {
		wrong(key+".queue", "%s is not valid; must be from %s to %s", a.Queue, Size(minQueue), Size(maxQueue))
	}
	a.Filter.check(key+".filter", wrong)
}

func checkFormat(s, key string, wrong report) {
	if _, err := operator.Parse(s, operator.Log()); err != nil {
		wrong(key, "%v", err)
	}
}

func (s *LogServer) check(key string, wrong report) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		wrong(key+".endpoint", "%q is not valid; must be as http://127.0.0.1:4318/v1/logs", s.Endpoint)
	}
	for _, p := range s.Headers {
		if !token(p.Name) || strings.ContainsFunc(p.Value, control) {
			wrong(key+".headers."+p.Name, "is no field of HTTP")
		}
	}
}

func (f *LogFilter) check(key string, wrong report) {
	if f.Status != "" {
		if _, _, err := ParseRange(f.Status); err != nil {
			wrong(key+".status", "%q is not valid; %v", f.Status, err)
		}
	}
	for i, name := range f.Flags {
		if name != "*" && !slices.Contains(ResponseFlags(), name) {
			wrong(fmt.Sprintf("%s.flags[%d]", key, i), "%q is not valid; must be * for any, or one of %s", name, strings.Join(ResponseFlags(), ", "))
		}
	}
	for i := range f.Headers {
		f.Headers[i].check(fmt.Sprintf("%s.headers[%d]", key, i), true, wrong)
	}
	if f.Sample != "" {
		if _, err := ParseSample(f.Sample); err != nil {
			wrong(key+".sample", "%v", err)
		}
	}
}

// checkLogs looks at a listener's access logs.
func (l *Listener) checkLogs(key string, wrong report) {
	for i := range l.AccessLog {
		a := &l.AccessLog[i]
		at := fmt.Sprintf("%s.access_log[%d]", key, i)
		a.check(at, wrong)
		if f := &a.Filter; (f.Status != "" || len(f.Headers) > 0) && l.Protocol != HTTP && l.Protocol != Auto {
			wrong(at+".filter", "only HTTP has a status and headers; remove them, or set protocol to %s or %s", HTTP, Auto)
		}
		for j, name := range a.Filter.Routes {
			if !slices.ContainsFunc(l.Routes, func(r Route) bool { return r.Name == name }) {
				wrong(fmt.Sprintf("%s.filter.routes[%d]", at, j), "the listener has no route %q%s", name, l.routeNames())
			}
		}
	}
}

func (l *Listener) routeNames() string {
	var names []string
	for i := range l.Routes {
		names = append(names, l.Routes[i].Name)
	}
	if len(names) == 0 {
		return ""
	}
	return "; there are: " + strings.Join(names, ", ")
}

// LogsTo reports whether an access log of the listener goes to that file.
func (l *Listener) LogsTo(file string) bool {
	return slices.ContainsFunc(l.AccessLog, func(a AccessLog) bool { return a.File == file })
}
