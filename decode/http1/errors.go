package http1

import "strconv"

// Mode says what the parser does with messages that break the rules.
type Mode uint8

const (
	Lenient Mode = iota // read what is meant and note the oddity
	Strict              // refuse
)

// Error says why a message was refused. Status is what a proxy answers: 4xx
// and 5xx of the request's own, 502 when the message was an answer. Detail is
// the reason in Envoy's form of response code details.
type Error struct {
	Status int
	Detail string
}

func (e *Error) Error() string { return strconv.Itoa(e.Status) + " " + e.Detail }

func bad(detail string) error { return &Error{400, detail} }
