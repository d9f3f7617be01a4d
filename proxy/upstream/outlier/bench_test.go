package outlier

import (
	"testing"

	"github.com/pitot-io/pitot/proxy/upstream"
)

func TestReportAllocatesNothing(t *testing.T) {
	w := over(t, 2, Default())
	h := w.c.Hosts()[0]
	r := upstream.Result{Status: 200}
	if n := testing.AllocsPerRun(1000, func() { h.Report(&r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkReport measures what a detector adds to an attempt's end.
func BenchmarkReport(b *testing.B) {
	c := upstream.New(upstream.Options{Name: "web", Endpoints: upstream.Addresses("h0", "h1")})
	c.Observe(New(c, Default()))
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		r := upstream.Result{Status: 200}
		for p.Next() {
			c.Hosts()[0].Report(&r)
		}
	})
}
