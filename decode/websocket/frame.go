package websocket

import (
	"encoding/binary"

	"github.com/pitot-io/pitot/internal/event"
)

// Opcodes (RFC 6455, 5.2). From opClose on they are of control frames.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// Bits of a frame's first two bytes.
const (
	final        = 0x80
	bitsReserved = 0x70
	compressed   = 0x40 // RSV1, which permessage-deflate sets on a message's first frame (RFC 7692, 6)
	masked       = 0x80
)

const (
	shortest    = 2  // bytes of a frame's header
	longest     = 14 // with 64-bit length and mask
	mostControl = 125
)

// frame is a frame's header.
type frame struct {
	first  byte // FIN, reserved bits and opcode
	masked bool
	mask   [4]byte
	size   int64 // of the payload
	header int   // bytes
}

func (f *frame) opcode() byte  { return f.first & 0x0f }
func (f *frame) final() bool   { return f.first&final != 0 }
func (f *frame) control() bool { return f.first&0x08 != 0 }

// headerSize is how long the header is that begins with b, of which two bytes
// are there.
func headerSize(b []byte) int {
	n := shortest
	switch b[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b[1]&masked != 0 {
		n += 4
	}
	return n
}

// parseFrame reads a whole header. A negative size stands for a length with
// its highest bit set, which cannot be (RFC 6455, 5.2).
func parseFrame(b []byte) frame {
	f := frame{first: b[0], masked: b[1]&masked != 0, size: int64(b[1] & 0x7f), header: len(b)}
	switch f.size {
	case 126:
		f.size = int64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		f.size = int64(binary.BigEndian.Uint64(b[2:]))
	}
	if f.masked {
		copy(f.mask[:], b[len(b)-4:])
	}
	return f
}

// kind is the frame's name.
func (f *frame) kind() string {
	switch f.opcode() {
	case opContinuation:
		return "continuation"
	case opText:
		return "text"
	case opBinary:
		return "binary"
	case opClose:
		return "close"
	case opPing:
		return "ping"
	case opPong:
		return "pong"
	}
	return "reserved"
}

// wrong is what is against the protocol in a frame that goes in direction d,
// or "". rsv are the reserved bits that extensions have given a meaning.
func (f *frame) wrong(d event.Dir, h *half, rsv byte) string {
	op := f.opcode()
	switch {
	case op > opBinary && op < opClose || op > opPong:
		return "a frame has an opcode that is reserved (RFC 6455, 5.2)"
	case f.first&bitsReserved&^rsv != 0:
		return "a frame has reserved bits set that no extension uses (RFC 6455, 5.2)"
	case d == event.ToServer && !f.masked:
		return "a frame of the client is not masked (RFC 6455, 5.1)"
	case d == event.ToClient && f.masked:
		return "a frame of the server is masked (RFC 6455, 5.1)"
	case f.control() && f.size > mostControl:
		return "a control frame is longer than 125 bytes (RFC 6455, 5.5)"
	case f.control() && !f.final():
		return "a control frame is fragmented (RFC 6455, 5.5)"
	case h.closed:
		return "a frame comes after the close frame (RFC 6455, 5.5.1)"
	case f.control():
		return ""
	case op == opContinuation && !h.message:
		return "a continuation continues nothing (RFC 6455, 5.4)"
	case op != opContinuation && h.message:
		return "a message begins inside another (RFC 6455, 5.4)"
	}
	return ""
}
