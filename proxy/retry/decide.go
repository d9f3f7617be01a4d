package retry

import (
	"slices"

	"github.com/pitot-io/pitot/decode/http1"
)

// Kind is how a try ended.
type Kind uint8

const (
	Answered Kind = iota // the head of an answer came
	Lost                 // the host broke off, or broke the protocol
	Refused              // it said that it has not looked at the request
	NoConnection
	Late  // no answer within the per-try timeout
	Still // nothing came within the per-try idle timeout
	Over  // the proxy itself does not want another: overflow, its own end, the client has gone
)

// Outcome is what became of a try.
type Outcome struct {
	Kind   Kind
	Head   *http1.Head // of the answer; nil without
	Status int         // of gRPC, in its head or trailers; below 0 without
	Sent   bool        // something of the request was sent
}

// Wants says whether a request is to be sent again after a try, by the first
// condition that holds; 0 when none does. Whether it may be, as to number,
// budget and body, is another question.
func (n *Plan) Wants(o *Outcome) Condition {
	if o.Kind == Answered {
		return n.wantsAnswer(o)
	}
	var holds Condition
	switch o.Kind {
	case Over:
		return 0
	case NoConnection:
		holds = ConnectFailure
	case Refused:
		holds = RefusedStream
	}
	holds |= Reset | Server | Gateway // what the client would get is a 503 or 504
	if !o.Sent || o.Kind == NoConnection || o.Kind == Refused {
		holds |= BeforeRequest
	}
	return narrowest(n.On & holds)
}

// narrowest is the one condition of those that hold which says most.
func narrowest(c Condition) Condition {
	for _, one := range [...]Condition{ConnectFailure, RefusedStream, BeforeRequest, Reset, Gateway, Server} {
		if c&one != 0 {
			return one
		}
	}
	return 0
}

// rateLimited is a field of answers that a rate limit gave.
const rateLimited = "x-envoy-ratelimited"

func (n *Plan) wantsAnswer(o *Outcome) Condition {
	h := o.Head
	if h.Get(rateLimited) != nil { // whatever else holds
		return n.On & RateLimited
	}
	s := h.Status
	switch {
	case n.On&Gateway != 0 && s >= 502 && s <= 504:
		return Gateway
	case n.On&Server != 0 && s >= 500:
		return Server
	case n.On&Conflict != 0 && s == 409:
		return Conflict
	case n.On&StatusCodes != 0 && (slices.Contains(n.Policy.statuses, s) || slices.Contains(n.statuses, s)):
		return StatusCodes
	case n.On&Headers != 0 && n.wantsFields(h):
		return Headers
	}
	return n.On & call(o.Status)
}

func (n *Plan) wantsFields(h *http1.Head) bool {
	if anyFits(n.answers, h) {
		return true
	}
	return slices.ContainsFunc(n.fields, func(name []byte) bool {
		return slices.ContainsFunc(h.Fields, func(f http1.Field) bool { return is(f.Name, string(name)) })
	})
}

// Peeks reports whether it depends on the status of a call of gRPC, which may
// come after its message, whether the request is sent again.
func (n *Plan) Peeks() bool { return n.On&calls != 0 && n.Left > 0 }
