package demo

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// site is the line of code a query is asked from.
type site struct {
	function string // (*Orders).loadCart
	file     string // demo/cart.go
	line     int
}

// here is the caller's line.
func here() site {
	pc, file, line, ok := runtime.Caller(1)
	if !ok {
		return site{function: "unknown", file: "unknown.go", line: 1}
	}
	name := runtime.FuncForPC(pc).Name()
	name = name[strings.LastIndex(name, "/")+1:]
	return site{strings.TrimPrefix(name, "demo."), filepath.Join("demo", filepath.Base(file)), line}
}

// The forms in which teams write where a query comes from; reference: docs of each tool.

// lyft is the JSON text that Envoy's mongo_proxy reads.
func (s site) lyft() string {
	b, err := json.Marshal(map[string]string{"callingFunction": s.dotted(), "hostname": "orders-1"})
	if err != nil {
		return s.fileLine() // unreachable: two strings always marshal
	}
	return string(b)
}

// sqlcommenter is key='value' pairs, sorted, percent-encoded.
func (s site) sqlcommenter(t trace, route string) string {
	return fmt.Sprintf("action='%s',application='orders',db_driver='mongo-go',route='%s',traceparent='%s'",
		url.QueryEscape(s.last()), url.QueryEscape(route), t.parent())
}

// datadog is a text followed by what Datadog's database monitoring adds.
func (s site) datadog(t trace) string {
	return fmt.Sprintf("%s,dddbs='shop',dde='demo',ddps='orders',ddpv='1.4.2',traceparent='%s'", s.dotted(), t.parent())
}

// document is the BSON form that OpenTelemetry proposes, with the code's place beside.
func (s site) document(t trace) bson.D {
	return bson.D{
		{Key: "traceparent", Value: t.parent()},
		{Key: "code.function.name", Value: s.dotted()},
		{Key: "code.file.path", Value: s.file},
		{Key: "code.line.number", Value: s.line},
	}
}

// fileLine is the plain file.go:line.
func (s site) fileLine() string { return fmt.Sprintf("%s:%d", s.file, s.line) }

// frame is the Func (file.go:line) of stack traces.
func (s site) frame() string { return fmt.Sprintf("%s (%s)", s.dotted(), s.fileLine()) }

// dotted is the function without Go's parentheses: Orders.loadCart.
func (s site) dotted() string { return strings.NewReplacer("(*", "", ")", "").Replace(s.function) }

// last is the bare function: loadCart.
func (s site) last() string { return s.function[strings.LastIndex(s.function, ".")+1:] }
