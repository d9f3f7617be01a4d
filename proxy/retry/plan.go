package retry

import (
	"bytes"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
)

// Plan is what a policy comes to for one request.
type Plan struct {
	*Policy
	On     Condition
	Left   int           // retries that may still be made
	PerTry time.Duration // as Policy has it, or the caller
	OnTime bool          // hedge on per-try timeout

	statuses []int    // of the caller
	fields   [][]byte // likewise
}

// The fields by which a caller that is believed can say how its request is
// sent again. They are for this proxy and go no further.
const (
	fieldMost   = "x-envoy-max-retries"
	fieldOn     = "x-envoy-retry-on"
	fieldCalls  = "x-envoy-retry-grpc-on"
	fieldCodes  = "x-envoy-retriable-status-codes"
	fieldNames  = "x-envoy-retriable-header-names"
	fieldHedge  = "x-envoy-hedge-on-per-try-timeout"
	fieldPerTry = "x-envoy-upstream-rq-per-try-timeout-ms"
)

// MostAsked bounds how many retries a caller can ask for.
const MostAsked = 10

// Ours reports whether a field is one by which callers control retries.
func Ours(name []byte) bool {
	const prefix = "x-envoy-"
	if len(name) <= len(prefix) || name[0]|0x20 != 'x' || !bytes.EqualFold(name[:len(prefix)], []byte(prefix)) {
		return false
	}
	return is(name, fieldMost) || is(name, fieldOn) || is(name, fieldCalls) || is(name, fieldCodes) || is(name, fieldNames) ||
		is(name, fieldHedge) || is(name, fieldPerTry)
}

func is(name []byte, lower string) bool {
	return len(name) == len(lower) && bytes.EqualFold(name, []byte(lower))
}

// For is the plan for a request. Its fields say something about it where the
// caller is believed.
func (p *Policy) For(h *http1.Head, believed bool) Plan {
	n := Plan{Policy: p, On: p.On, Left: p.Most, PerTry: p.PerTry, OnTime: p.Hedge.OnPerTryTimeout}
	if believed {
		n.heed(h)
	}
	if len(p.requests) > 0 && !anyFits(p.requests, h) {
		n.On, n.Left = 0, 0
	}
	return n
}

// heed takes over what the caller says: conditions beside the policy's, numbers
// in their place.
func (n *Plan) heed(h *http1.Head) {
	for i := range h.Fields {
		f := &h.Fields[i]
		if !Ours(f.Name) {
			continue
		}
		number, err := strconv.Atoi(decode.View(f.Value))
		good := err == nil && number >= 0
		switch {
		case is(f.Name, fieldMost) && good:
			n.Left = min(number, MostAsked)
		case is(f.Name, fieldOn):
			n.On |= parseList(f.Value) &^ calls
		case is(f.Name, fieldCalls):
			n.On |= parseList(f.Value) & calls
		case is(f.Name, fieldCodes):
			n.codes(f.Value)
		case is(f.Name, fieldNames):
			n.names(f.Value)
		case is(f.Name, fieldPerTry) && good:
			n.PerTry = time.Duration(min(number, 1e9)) * time.Millisecond
		case is(f.Name, fieldHedge):
			n.OnTime = string(f.Value) == "true"
		}
	}
}

func (n *Plan) codes(list []byte) {
	for v := range bytes.SplitSeq(list, []byte(",")) {
		if code, err := strconv.Atoi(string(bytes.TrimSpace(v))); err == nil {
			n.statuses = append(n.statuses, code)
		}
	}
}

func (n *Plan) names(list []byte) {
	for v := range bytes.SplitSeq(list, []byte(",")) {
		if name := bytes.TrimSpace(v); len(name) > 0 {
			n.fields = append(n.fields, name)
		}
	}
}

func anyFits(all []Matcher, h *http1.Head) bool {
	for _, m := range all {
		if m.Header(h) {
			return true
		}
	}
	return false
}
