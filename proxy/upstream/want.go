package upstream

import "slices"

// Want is what an exchange asks of the balancer. It is made to be reused.
type Want struct {
	Now      int64  // ns since the Unix epoch
	Hash     uint64 // that the route made of the request
	Hashed   bool   // it made one
	Attempt  int    // 0 for the first try
	Override string // addresses of hosts that are wanted before any other, with commas between; may be empty
	Strict   bool   // nobody else is wanted than those of Override
	Subset   []Pair // metadata that the host must have, by key
	High     bool   // goes by the circuit breakers of high priority
	Whole    bool   // a whole connection is carried: it goes by the breaker of connections, not by that of requests

	// Why is filled by Pick: why this host, in few and constant words, as
	// "round_robin" or "least_request, priority 1, panic".
	Why string

	tried []*Host // not to be picked again
	shuns []int   // priorities not to be picked from
	shift int     // further tries of one pick
	note  note
}

// note is what a Picker says of its choice beside the host.
type note uint8

const (
	plainly    note = iota
	noHash          // the request had nothing to hash
	overloaded      // another host's turn it was, who has too much to do
	shunning        // priorities that were tried were left out
	another         // those who were tried, or that are out by now, were passed over
	numNotes
)

var noteWords = [numNotes]string{"", ", no hash", ", bounded", ", priorities tried left out", ", another"}

// Pair is a key and its value.
type Pair struct{ Key, Value string }

// Reset forgets everything but memory.
func (w *Want) Reset() { *w = Want{tried: w.tried[:0], shuns: w.shuns[:0]} }

// Avoid has h not picked again while there is another.
func (w *Want) Avoid(h *Host) { w.tried = append(w.tried, h) }

// Avoids reports whether h is one of those to avoid.
func (w *Want) Avoids(h *Host) bool { return slices.Contains(w.tried, h) }

// Tried is how many hosts are to be avoided.
func (w *Want) Tried() int { return len(w.tried) }

// turn is the number of the try, from 0 on, for policies that hash: each goes
// elsewhere.
func (w *Want) turn() int { return max(w.Attempt, len(w.tried)) + w.shift }

// Shun has no host of h's priority picked while there are others: exchanges are
// spread over the other priorities as if this one could carry nothing. When no
// other is left, Pick forgets what was shunned, and all begins anew.
func (w *Want) Shun(h *Host) {
	if p := h.priority(); !slices.Contains(w.shuns, p) {
		w.shuns = append(w.shuns, p)
	}
}

// Shuns is how many priorities are shunned.
func (w *Want) Shuns() int { return len(w.shuns) }

// Forgive has all hosts picked again.
func (w *Want) Forgive() { w.tried = w.tried[:0] }
