package accesslog

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/format"
	"github.com/pitot-io/pitot/proxy/route"
)

// filter says which exchanges are logged.
type filter struct {
	from, to    int64 // status
	minDuration time.Duration
	flags       event.ResponseFlags // one of them; 0 for all exchanges
	routes      []string
	headers     []route.Condition
	sample      uint64 // of a million
}

// million is all of the exchanges, in the unit of samples.
const million = 1_000_000

func newFilter(c *config.LogFilter) (f filter, err error) {
	f = filter{to: 1 << 31, minDuration: c.MinDuration, routes: c.Routes, sample: million}
	if c.Status != "" {
		if f.from, f.to, err = config.ParseRange(c.Status); err != nil {
			return f, err
		}
	}
	if f.flags = event.ParseResponseFlags(strings.Join(c.Flags, ",")); slices.Contains(c.Flags, "*") {
		f.flags = ^event.ResponseFlags(0)
	}
	for i := range c.Headers {
		h, err := route.NewCondition(&c.Headers[i], true)
		if err != nil {
			return f, err
		}
		f.headers = append(f.headers, h)
	}
	if c.Sample != "" {
		n, err := config.ParseSample(c.Sample)
		if err != nil {
			return f, err
		}
		f.sample = uint64(n)
	}
	return f, nil
}

func (f *filter) takes(e *format.Entry) bool {
	x := e.X
	status := int64(x.HTTP.StatusCode)
	switch {
	case status < f.from || status > f.to,
		time.Duration(x.Duration()) < f.minDuration,
		f.flags != 0 && x.Flags&f.flags == 0,
		len(f.routes) > 0 && !slices.Contains(f.routes, x.Route),
		!f.sampled(x.TraceID):
		return false
	}
	return f.fields(e)
}

func (f *filter) fields(e *format.Entry) bool {
	for i := range f.headers {
		if e.Request == nil || !f.headers[i].Header(e.Request) {
			return false
		}
	}
	return true
}

// sampled decides by the trace's id, so that all who see the trace and sample
// the same share decide alike.
func (f *filter) sampled(t event.TraceID) bool {
	if t.IsZero() { // of a connection, which is in no trace
		return rand.Uint64N(million) < f.sample
	}
	return f.sample == million || binary.BigEndian.Uint64(t[8:])%million < f.sample
}
