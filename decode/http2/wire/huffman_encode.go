package wire

import "encoding/binary"

// appendText adds a string literal (RFC 7541, 5.2), Huffman-coded where that
// makes it shorter.
func appendText(b []byte, s string) []byte {
	n := huffmanSize(s)
	if n >= len(s) {
		return append(appendInteger(b, 0, 7, len(s)), s...)
	}
	return appendHuffman(appendInteger(b, 0x80, 7, n), s)
}

// huffmanSize is how many bytes s takes when it is Huffman-coded.
func huffmanSize(s string) int {
	bits := 0
	for i := range len(s) {
		bits += int(huffmanBits[s[i]])
	}
	return (bits + 7) / 8
}

// appendHuffman adds s Huffman-coded, filled up with ones.
func appendHuffman(b []byte, s string) []byte {
	acc, have := uint64(0), uint(0) // the lowest have bits of acc are to be written, fewer than 32
	for i := range len(s) {
		c := code.codes[s[i]]
		bits := uint(huffmanBits[s[i]])
		acc, have = acc<<bits|uint64(c), have+bits
		if have >= 32 {
			have -= 32
			b = binary.BigEndian.AppendUint32(b, uint32(acc>>have))
		}
	}
	if pad := -have & 7; have > 0 {
		acc, have = acc<<pad|(1<<pad-1), have+pad
	}
	for ; have > 0; have -= 8 {
		b = append(b, byte(acc>>(have-8)))
	}
	return b
}
