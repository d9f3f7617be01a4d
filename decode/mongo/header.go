package mongo

import (
	"encoding/binary"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// headerLen is the size of a message header: length, request id, response to,
// opcode, all little-endian int32.
const headerLen = 16

// maxMessage is the protocol's maxMessageSizeBytes.
const maxMessage = 48_000_000

const (
	opReply        = 1
	opUpdate       = 2001
	opInsert       = 2002
	opQuery        = 2004
	opGetMore      = 2005
	opDelete       = 2006
	opKillCursors  = 2007
	opCommand      = 2010
	opCommandReply = 2011
	opCompressed   = 2012
	opMsg          = 2013
)

// Flags of OP_MSG. The low 16 bits are required: who does not know a bit that
// is set must not go on reading.
const (
	flagChecksum  = 1 << 0
	flagMore      = 1 << 1
	flagExhaust   = 1 << 16
	knownRequired = flagChecksum | flagMore
)

type header struct {
	length     int // of the whole message, this header included
	requestID  int32
	responseTo int32
	opcode     int32
}

func parseHeader(b []byte) header {
	_ = b[headerLen-1]
	return header{
		length:     int(int32(binary.LittleEndian.Uint32(b))),
		requestID:  int32(binary.LittleEndian.Uint32(b[4:])),
		responseTo: int32(binary.LittleEndian.Uint32(b[8:])),
		opcode:     int32(binary.LittleEndian.Uint32(b[12:])),
	}
}

// sane reports whether h may be the header of a message in direction d.
func (h header) sane(d event.Dir, limit int) bool {
	return h.length >= headerLen && h.length <= limit && travels(h.opcode, d)
}

// travels reports whether messages with that opcode go in direction d.
func travels(opcode int32, d event.Dir) bool {
	switch opcode {
	case opMsg, opCompressed:
		return true
	case opReply, opCommandReply:
		return d == event.ToClient
	case opUpdate, opInsert, opQuery, opGetMore, opDelete, opKillCursors, opCommand:
		return d == event.ToServer
	}
	return false
}

// lookLen is how many bytes a look at a message's start takes: the header, and
// the longest beginning of a body that tells anything.
const lookLen = headerLen + 9

// Detect looks for the header of a message and for a body that begins as the
// opcode asks.
func Detect(d event.Dir, b []byte) decode.Verdict {
	if len(b) < headerLen {
		return early(b)
	}
	h := parseHeader(b)
	switch {
	case !h.sane(d, maxMessage) || !paired(h, d):
		return decode.No
	case len(b) < min(lookLen, h.length):
		return decode.Maybe
	case !begins(h, b[headerLen:min(len(b), h.length)]):
		return decode.No
	}
	return decode.Yes
}

// early judges less than a header: a length has its fourth byte at most 2.
func early(b []byte) decode.Verdict {
	if len(b) >= 4 && binary.LittleEndian.Uint32(b)-headerLen > maxMessage-headerLen {
		return decode.No
	}
	return decode.Maybe
}

// paired judges the field that names the message which is answered: requests
// have none.
func paired(h header, d event.Dir) bool {
	if h.opcode == opMsg || h.opcode == opCompressed {
		return (h.responseTo == 0) == (d == event.ToServer)
	}
	return true
}

// begins judges the first bytes of a body.
func begins(h header, b []byte) bool {
	if len(b) < 4 {
		return false
	}
	word := binary.LittleEndian.Uint32(b)
	switch h.opcode {
	case opMsg:
		return beginsMsg(h, word, b[4:])
	case opCompressed:
		return beginsCompressed(int32(word), b[4:])
	case opReply:
		return word < 1<<4
	case opQuery:
		return word < 1<<8 && len(b) > 4 && printable(b[4])
	case opInsert:
		return word < 1<<1 && len(b) > 4 && printable(b[4])
	case opUpdate, opGetMore, opDelete:
		return word == 0 && len(b) > 4 && printable(b[4])
	case opKillCursors:
		return word == 0
	case opCommand:
		return printable(b[0])
	}
	return bson.Length(b) != 0 // OP_COMMANDREPLY begins with a document
}

func printable(c byte) bool { return c > ' ' && c != 0x7f }

func beginsMsg(h header, flags uint32, b []byte) bool {
	if flags&^uint32(knownRequired|flagExhaust) != 0 || len(b) < 5 {
		return false
	}
	room := h.length - headerLen - 5
	n := int(int32(binary.LittleEndian.Uint32(b[1:])))
	switch b[0] {
	case 0, 3:
		return n >= bson.MinDocument && n <= room
	case 1:
		return n >= 5 && n <= room
	case 2:
		return n > 0 && n <= room
	}
	return false
}

func beginsCompressed(original int32, b []byte) bool {
	if len(b) < 5 || original == opCompressed {
		return false
	}
	size := int32(binary.LittleEndian.Uint32(b))
	return size >= 0 && size <= maxMessage && b[4] <= 3 &&
		(travels(original, event.ToServer) || travels(original, event.ToClient))
}
