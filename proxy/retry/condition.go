// Package retry decides whether a request is sent again, when, and beside which
// of its tries another one is made. It does no I/O: times and draws are given to
// it. What it decides is carried out by proxy/relay.
package retry

import (
	"bytes"
	"math/bits"
)

// Condition is a set of conditions under which a request is sent again. Their
// meaning is Envoy's.
type Condition uint32

const (
	Server           Condition = 1 << iota // 5xx: of the answer, or there was none
	Gateway                                // gateway-error: 502, 503, 504, or there was none
	Reset                                  // there was no answer, whatever became of the request
	BeforeRequest                          // there was none, and nothing of the request had been sent
	ConnectFailure                         // no connection came about
	RateLimited                            // the answer has x-envoy-ratelimited
	Conflict                               // retriable-4xx: 409
	RefusedStream                          // the host said that it has not looked at the request
	StatusCodes                            // the answer's status is one of a list
	Headers                                // one of the answer's fields is
	PostConnect                            // of HTTP/3, which is not spoken here: never holds
	Cancelled                              // from here on: the status of gRPC
	DeadlineExceeded                       //
	Exhausted                              //
	Internal                               //
	Unavailable                            //
	numConditions    = iota
)

// names are those that the configuration has for conditions, in order of value.
var names = [numConditions]string{
	"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx", "refused-stream",
	"retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
	"cancelled", "deadline-exceeded", "resource-exhausted", "internal", "unavailable",
}

// calls are the conditions on a status of gRPC.
const calls = Cancelled | DeadlineExceeded | Exhausted | Internal | Unavailable

// Names are those of all conditions.
func Names() []string { return names[:] }

// String is the name of the first condition of c.
func (c Condition) String() string {
	if c == 0 {
		return ""
	}
	return names[bits.TrailingZeros32(uint32(c))]
}

// parse is the condition of that name; 0 when there is none.
func parse(name []byte) Condition {
	for i, n := range names {
		if string(name) == n {
			return 1 << i
		}
	}
	return 0
}

// parseList reads conditions with commas between them. What it does not know
// says nothing, as anybody may have written it.
func parseList(list []byte) (c Condition) {
	for len(list) > 0 {
		var name []byte
		name, list, _ = bytes.Cut(list, []byte(","))
		c |= parse(bytes.TrimSpace(name))
	}
	return c
}

// call is the condition on a status of gRPC; 0 where there is none.
func call(status int) Condition {
	switch status {
	case 1:
		return Cancelled
	case 4:
		return DeadlineExceeded
	case 8:
		return Exhausted
	case 13:
		return Internal
	case 14:
		return Unavailable
	}
	return 0
}
