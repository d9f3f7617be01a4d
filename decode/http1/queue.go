package http1

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// entry is an exchange in the making, with the memory of its text.
type entry struct {
	x      event.Exchange
	p      event.HTTP
	method []byte // of the request, to frame the answer

	text, answerText []byte // what FillRequest and FillResponse lent

	call   decode.Call // of the layer that follows the exchange; nil when none does
	bodies [2][]byte   // what is kept of them, as transferred
	coding [2]string   // that they are under

	asked    bool // the request has ended
	answered bool // the final answer has begun
	complete bool // and ended

	simple   bool   // the request is of HTTP/0.9
	tunnel   bool   // the request is CONNECT
	upgrade  bool   // it would like another protocol
	settings []byte // what HTTP2-Settings holds
	switched bool   // the answer agreed to another protocol
}

// queue holds the requests of a connection that are under way, in order. Its
// entries are used again and again.
type queue struct {
	items []*entry // from next on
	next  int
	free  []*entry
}

func (q *queue) len() int { return len(q.items) - q.next }

func (q *queue) front() *entry {
	if q.len() == 0 {
		return nil
	}
	return q.items[q.next]
}

// make is an empty entry that is not in the queue.
func (q *queue) make() *entry {
	n := len(q.free)
	if n == 0 {
		return new(entry)
	}
	e := q.free[n-1]
	q.free = q.free[:n-1]
	method, text, answer, settings := e.method[:0], e.text, e.answerText, e.settings[:0]
	*e = entry{} // in place: with fields in it, it would be made elsewhere and copied
	e.method, e.text, e.answerText, e.settings = method, text, answer, settings
	return e
}

func (q *queue) push(e *entry) {
	if q.next == len(q.items) {
		q.items, q.next = q.items[:0], 0
	} else if q.next >= 64 && q.next*2 >= len(q.items) {
		q.items = q.items[:copy(q.items, q.items[q.next:])]
		q.next = 0
	}
	q.items = append(q.items, e)
}

// drop takes e out when it is the front, and keeps it for use again.
func (q *queue) drop(e *entry) {
	if q.front() == e {
		q.items[q.next] = nil
		q.next++
	}
	if len(q.free) < 16 {
		q.free = append(q.free, e)
	}
}
