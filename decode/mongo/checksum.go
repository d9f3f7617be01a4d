package mongo

import (
	"encoding/binary"
	"hash/crc32"
)

// castagnoli is the polynomial of CRC-32C, which OP_MSG's checksum is.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// badChecksum compares the checksum of an OP_MSG that has one with its bytes: all
// of the message but the four of the checksum. A message of which something was
// left out, and what came compressed, is believed.
func (m *message) badChecksum() bool {
	n := len(m.body) - 4
	if m.opcode != opMsg || n < 4 || m.compressor != "" || m.cut || m.length != headerLen+len(m.body) {
		return false
	}
	if binary.LittleEndian.Uint32(m.body)&flagChecksum == 0 {
		return false
	}
	var head [headerLen]byte
	binary.LittleEndian.PutUint32(head[:], uint32(m.length))
	binary.LittleEndian.PutUint32(head[4:], uint32(m.requestID))
	binary.LittleEndian.PutUint32(head[8:], uint32(m.responseTo))
	binary.LittleEndian.PutUint32(head[12:], uint32(m.opcode))
	sum := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, m.body[:n])
	return sum != binary.LittleEndian.Uint32(m.body[n:])
}
