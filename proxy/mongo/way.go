package mongo

import "sync"

// Way is a connection to a further server. Answer is called by the goroutine
// that reads it.
type Way struct {
	conn  *Conn
	write func([]byte) error
	down  down

	mu    sync.Mutex
	waits int // commands that are being sent, or whose answer is to come
	over  bool
}

// NewWay makes the way to a server by a connection on which write writes.
func (c *Conn) NewWay(write func([]byte) error) *Way {
	w := &Way{conn: c, write: write}
	w.down.way = w
	c.routed.open.Add(1)
	return w
}

// Answer takes the next bytes of the server.
func (w *Way) Answer(at int64, b []byte) error { return w.conn.answers(&w.down, at, b) }

// begin notes that a command goes this way; it reports false where nothing goes
// any more.
func (w *Way) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.waits++
	}
	return !w.over
}

// done ends what begin has begun. A server that answers what nobody has asked
// changes nothing.
func (w *Way) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits = max(0, w.waits-1)
}

// Busy reports whether a command is under way.
func (w *Way) Busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waits > 0
}

// Retire is End for a way on which nothing is under way; it reports whether it is
// one. Anybody may call it.
func (w *Way) Retire() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waits == 0 {
		w.end()
	}
	return w.waits == 0
}

// End has nothing more go this way. It reports whether nothing is lost by that.
func (w *Way) End() (idle bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
	return w.waits == 0 && w.down.rest == 0 && len(w.down.head) == 0
}

func (w *Way) end() {
	if !w.over {
		w.over = true
		w.conn.routed.open.Add(-1)
	}
}
