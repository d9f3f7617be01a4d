package relay

import (
	"encoding/binary"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
)

// Bounds of what is held back of an answer to a unary call of gRPC, whose status
// comes after its message. What is longer, takes longer or has a second message
// passes on as it comes.
const (
	heldBytes = 64 << 10
	heldFor   = 100 * time.Millisecond // after its head, and after its first message
)

// peeked is an attempt of whose answer's body some was read ahead.
type peeked struct {
	Upstream
	rest chan piece // what is being read while somebody else takes over

	mu      sync.Mutex
	memory  []byte // of held
	held    []byte
	reading bool // there is somebody in Upstream.Next
	taken   bool // the exchange takes it from here

	next    piece // from rest; the exchange's own from here on
	pending bool  // rest has something, or will have
	ended   bool  // what is held is all
}

// piece is what Next has come to.
type piece struct {
	b   []byte
	err error
}

// reset keeps what was allocated.
func (k *peeked) reset() {
	select {
	case <-k.rest:
	default:
	}
	memory := k.memory[:0]
	if cap(memory) > mostKept {
		memory = nil
	}
	*k = peeked{rest: k.rest, memory: memory}
}

// read reads ahead up to the end of the body, as far as bounds allow. first is
// told when the first message is whole. err is what ended the body early; ended
// is false where it goes on, or where take came in between.
func (k *peeked) read(first func()) (ended bool, err error) {
	told := false
	for {
		k.mu.Lock()
		if k.taken {
			k.mu.Unlock()
			return false, nil
		}
		k.reading = true
		k.mu.Unlock()
		b, err := k.Upstream.Next()
		k.mu.Lock()
		k.reading = false
		if k.taken {
			k.mu.Unlock()
			k.rest <- piece{b, err}
			return false, nil
		}
		k.memory = append(k.memory, b...)
		k.held = k.memory
		k.ended = err == io.EOF
		more := len(k.held) - messageLength(k.held)
		k.mu.Unlock()
		switch {
		case err == io.EOF:
			return true, nil
		case err != nil:
			return false, err
		case more > 0, len(k.held) >= heldBytes:
			return false, nil
		case more == 0 && !told:
			told = true
			first()
		}
	}
}

// messageLength is how long the first message is, with what it begins with
// (gRPC over HTTP2, "Length-Prefixed-Message"); more than there is while that is
// not known.
func messageLength(b []byte) int {
	if len(b) < 5 {
		return 5
	}
	return 5 + int(min(binary.BigEndian.Uint32(b[1:]), heldBytes))
}

// take has the exchange go on with the body.
func (k *peeked) take() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken, k.pending = true, k.reading
}

// arrived takes what was being read, if it is there.
func (k *peeked) arrived() bool {
	if !k.pending {
		return true
	}
	select {
	case k.next = <-k.rest:
		k.pending = false
		return true
	default:
		return false
	}
}

// Ready implements Body.
func (k *peeked) Ready() (n int, end bool) {
	switch {
	case len(k.held) > 0:
		return len(k.held), k.ended
	case !k.arrived():
		return 0, false
	case k.next.err == io.EOF:
		return 0, true
	case k.next.b != nil || k.next.err != nil:
		return len(k.next.b), false
	}
	return k.Upstream.Ready()
}

// Next implements Body.
func (k *peeked) Next() ([]byte, error) {
	if b := k.held; len(b) > 0 {
		k.held = nil
		return b, nil
	}
	if k.pending {
		k.next, k.pending = <-k.rest, false
	}
	if p := k.next; p.b != nil || p.err != nil {
		k.next.b = nil
		return p.b, p.err
	}
	return k.Upstream.Next()
}

// Fault implements Faulty.
func (k *peeked) Fault() error {
	if len(k.held) > 0 || !k.arrived() || k.next.b != nil {
		return nil
	}
	if k.next.err != nil && k.next.err != io.EOF {
		return k.next.err
	}
	return faultOf(k.Upstream)
}

// unary reports whether body, which is whole, is one message of gRPC.
func unary(body []byte) bool {
	return len(body) >= 5 && uint64(len(body)) == 5+uint64(binary.BigEndian.Uint32(body[1:]))
}

// statusOf is the status of gRPC among fields; -1 without one.
func statusOf(fields []http1.Field) int {
	for i := range fields {
		if f := &fields[i]; equalFold(f.Name, "grpc-status") {
			if n, err := strconv.ParseUint(decode.View(f.Value), 10, 16); err == nil {
				return int(n)
			}
			return 2 // UNKNOWN
		}
	}
	return -1
}
