package orca

import (
	"encoding/base64"
	"math"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pitot-io/pitot/proxy/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// report is one in protocol buffers, with a named metric that nobody asks for.
func report() string {
	var b []byte
	number := func(n protowire.Number, v float64) {
		b = protowire.AppendTag(b, n, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, math.Float64bits(v))
	}
	number(1, 0.5)
	number(2, 0.25)
	b = protowire.AppendTag(b, 3, protowire.VarintType)
	b = protowire.AppendVarint(b, 99)
	b = protowire.AppendTag(b, 8, protowire.BytesType)
	b = protowire.AppendBytes(b, []byte("\x0a\x01q"))
	number(6, 100.5)
	number(7, 2)
	number(9, 0.75)
	return base64.StdEncoding.EncodeToString(b)
}

func TestReportsInEveryForm(t *testing.T) {
	all := upstream.Load{CPU: 0.5, Memory: 0.25, Utilization: 0.75, QPS: 100.5, EPS: 2}
	for value, want := range map[string]upstream.Load{
		"TEXT cpu_utilization=0.5,mem_utilization=0.25, application_utilization = 0.75,rps_fractional=100.5,eps=2,named_metrics.queue=7": all,
		"cpu_utilization=0.5": {CPU: 0.5},
		`JSON {"cpu_utilization": 0.5, "mem_utilization": 0.25, "application_utilization": 0.75, "rps_fractional": 100.5, "eps": 2, "named_metrics": {"queue": 7}}`: all,
		`{"cpuUtilization": 0.5, "rpsFractional": 3}`: {CPU: 0.5, QPS: 3},
		"BIN " + report(): all,
		"JSON {":          {}, "JSON []": {}, "": {}, "TEXT ": {}, "cpu_utilization": {}, "cpu_utilization=high": {},
		"cpu_utilization=-1": {}, "cpu_utilization=NaN": {}, "rps_fractional=Inf": {}, "named_metrics.queue=7": {}, "BIN ?": {}, "BIN CQ==": {},
	} {
		got, ok := Parse(value)
		if got, isGood := good(got); ok && got != want || ok != (want != upstream.Load{}) || ok && !isGood {
			t.Errorf("%q: %+v, %v, want %+v", value, got, ok, want)
		}
	}
	if got, ok := ParseBinary(report()); got != all || !ok {
		t.Errorf("binary: %+v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("TEXT cpu_utilization=0.5")
	f.Add(`{"eps": 2}`)
	f.Add("BIN " + report())
	f.Fuzz(func(t *testing.T, value string) {
		if l, ok := Parse(value); ok {
			if _, is := good(l); !is {
				t.Errorf("%+v", l)
			}
		}
	})
}
