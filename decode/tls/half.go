package tls

import "github.com/pitot-io/pitot/internal/event"

// epoch is under which keys a direction sends.
type epoch uint8

const (
	unprotected epoch = iota
	early             // data of TLS 1.3 before the handshake
	handshake         // the handshake of TLS 1.3
	traffic           // everything else
)

// generation is an epoch with its key. TLS 1.3's traffic has several, one
// after each KeyUpdate.
type generation struct {
	epoch  epoch
	secret []byte  // of TLS 1.3; nil where it is not known
	opener *opener // nil where there is no key
	count  int     // of generations before it
}

// half is one direction of a connection.
type half struct {
	// Framing.
	offset  int64   // of the byte that comes next, missing ones included
	buf     *[]byte // a record that comes in pieces; nil when none does
	seq     uint32  // TCP sequence number of that record's first byte
	skip    int     // bytes of a record to come that are no use
	seeking bool    // looking for a record's header
	begun   bool    // something was seen
	blind   bool    // nothing more can be read here: only counted
	mute    bool    // nothing more can be deciphered here: at most shown to who inspects

	// Content.
	messages messages
	changed  bool // ChangeCipherSpec was seen (TLS 1.2 and before)
	gen      generation
	next     uint64 // number of the next record under gen
	span     int    // records that may have been missed
	failures int    // records in a row that could not be opened
	lost     bool   // application data may be missing before what comes next
	closed   bool   // End was passed on, or close_notify came
	position uint32 // TCP sequence number of the record that is being read
	held     held
}

// held are whole records that wait for the other side's hello.
type held struct {
	bytes  []byte
	pieces []heldRecord
}

// heldRecord is one of them, or (n is 0) a gap of at most span records.
type heldRecord struct {
	at     int64
	seq    uint32
	offset int64
	n      int
	span   int
}

func (h *held) add(r heldRecord, b []byte) {
	h.pieces = append(h.pieces, r)
	h.bytes = append(h.bytes, b...)
}

// missed notes that up to span records are missing before what comes next.
func (h *half) missed(span int) {
	h.messages.reset()
	h.span += span
	h.lost = h.lost || h.gen.epoch == traffic || h.gen.epoch == early
}

// release gives the record buffer back.
func (h *half) release(s *shared) {
	if h.buf != nil {
		s.free(h.buf)
		h.buf = nil
	}
}

// labels of the secrets of one direction in TLS 1.3.
func (e epoch) label(d event.Dir) label {
	switch {
	case e == early:
		return clientEarly
	case e == handshake && d == event.ToServer:
		return clientHandshake
	case e == handshake:
		return serverHandshake
	case d == event.ToServer:
		return clientTraffic
	}
	return serverTraffic
}
