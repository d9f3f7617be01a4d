// Package orca reads what hosts say of their load in fields of their answers, as
// Open Request Cost Aggregation has it (xds.data.orca.v3.OrcaLoadReport).
package orca

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// The fields that carry a report.
const (
	Field  = "endpoint-load-metrics"
	Binary = "endpoint-load-metrics-bin"
)

// maxReport bounds a report, in bytes.
const maxReport = 4 << 10

// Parse reads the value of Field: "TEXT cpu_utilization=0.3,rps_fractional=10",
// "JSON {...}" or "BIN " and base64; without the word, JSON when it begins with a
// brace, else text. It reports whether value tells anything that can be used.
func Parse(value string) (l upstream.Load, ok bool) {
	if len(value) > maxReport {
		return l, false
	}
	if rest, is := strings.CutPrefix(value, "BIN "); is {
		return ParseBinary(rest)
	}
	rest, isJSON := strings.CutPrefix(value, "JSON ")
	if rest = strings.TrimSpace(rest); isJSON || strings.HasPrefix(rest, "{") {
		return parseJSON(rest)
	}
	return parseText(strings.TrimPrefix(rest, "TEXT "))
}

// set puts a number where it belongs, by the report's name for it.
func set(l *upstream.Load, name string, v float64) {
	switch name {
	case "cpu_utilization":
		l.CPU = v
	case "mem_utilization":
		l.Memory = v
	case "application_utilization":
		l.Utilization = v
	case "rps_fractional", "rps":
		l.QPS = v
	case "eps":
		l.EPS = v
	}
}

// good are reports whose numbers can be reckoned with.
func good(l upstream.Load) (upstream.Load, bool) {
	for _, v := range []float64{l.CPU, l.Memory, l.Utilization, l.QPS, l.EPS} {
		if !(v >= 0 && v < math.MaxInt64) { // nor NaN
			return upstream.Load{}, false
		}
	}
	return l, l != upstream.Load{}
}

func parseText(text string) (l upstream.Load, ok bool) {
	for pair := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return l, false
		}
		set(&l, strings.TrimSpace(name), v)
	}
	return good(l)
}

func parseJSON(text string) (l upstream.Load, ok bool) {
	var fields map[string]any // also of named metrics and costs, which are objects
	if json.Unmarshal([]byte(text), &fields) != nil {
		return l, false
	}
	for name, v := range fields {
		if n, is := v.(float64); is {
			set(&l, snake(name), n)
		}
	}
	return good(l)
}

// snake is a name as protocol buffers write it: JSON may have cpuUtilization.
func snake(name string) string {
	var b strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// numbers are those of the fields of an OrcaLoadReport.
var numbers = map[protowire.Number]string{
	1: "cpu_utilization", 2: "mem_utilization", 3: "rps", 6: "rps_fractional", 7: "eps", 9: "application_utilization",
}

// ParseBinary reads the value of Binary: a report in protocol buffers, in base64
// with or without padding.
func ParseBinary(value string) (l upstream.Load, ok bool) {
	if len(value) > maxReport {
		return l, false
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(value), "="))
	if err != nil {
		return l, false
	}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return l, false
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return l, false
		}
		switch kind {
		case protowire.Fixed64Type:
			bits, _ := protowire.ConsumeFixed64(b)
			set(&l, numbers[number], math.Float64frombits(bits))
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b) // n says that it is whole
			set(&l, numbers[number], float64(v))
		}
		b = b[n:]
	}
	return good(l)
}
