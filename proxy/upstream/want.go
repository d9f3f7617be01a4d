package upstream

import "slices"

// Want is what an exchange asks of the balancer. It is made to be reused.
type Want struct {
	Now      int64  // ns since the Unix epoch
	Hash     uint64 // that the route made of the request
	Hashed   bool   // it made one
	Attempt  int    // 0 for the first try
	Override string // address of the host that is wanted before any other; may be empty
	Subset   []Pair // metadata that the host must have
	High     bool   // goes by the circuit breakers of high priority
	Retry    bool   // the exchange was refused before: it goes by the breaker of retries, too

	// Why is filled by Pick: why this host, in few and constant words, as
	// "round_robin" or "least_request, priority 1, panic".
	Why string

	tried []*Host // not to be picked again
}

// Pair is a key and its value.
type Pair struct{ Key, Value string }

// Reset forgets everything but memory.
func (w *Want) Reset() { *w = Want{tried: w.tried[:0]} }

// Avoid has h not picked again while there is another.
func (w *Want) Avoid(h *Host) { w.tried = append(w.tried, h) }

// Avoids reports whether h is one of those to avoid.
func (w *Want) Avoids(h *Host) bool { return slices.Contains(w.tried, h) }

// Tried is how many hosts are to be avoided.
func (w *Want) Tried() int { return len(w.tried) }
