package http2

// huffmanBits are the lengths in bits of the codes of the 256 bytes (RFC 7541,
// Appendix B). The code is canonical: codes of one length count upwards in the
// order of their bytes, and the first of the next length follows the last, so
// the lengths tell it all. EOS is the last code of 30 bits, all ones.
var huffmanBits = [256]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
}

const (
	fastBits = 9  // codes up to this length, nearly all text, are found by one look
	maxBits  = 30 // of any code
)

// huffman is the code in the form that decoding wants.
type huffman struct {
	fast    [1 << fastBits]uint16 // byte<<8 | bits by the next fastBits bits; 0 for longer codes
	symbols [256]byte             // in the order of their codes
	first   [maxBits + 1]uint32   // code of the first symbol of a length
	count   [maxBits + 1]uint32   // symbols of a length
	start   [maxBits + 1]uint32   // where they begin in symbols
}

var code = makeHuffman()

func makeHuffman() *huffman {
	h := new(huffman)
	next, n := uint32(0), 0
	for bits := 1; bits <= maxBits; bits++ {
		next <<= 1
		h.first[bits], h.start[bits] = next, uint32(n)
		for b, l := range huffmanBits {
			if int(l) != bits {
				continue
			}
			h.symbols[n] = byte(b)
			if bits <= fastBits {
				h.fill(next, bits, byte(b))
			}
			n, next = n+1, next+1
		}
		h.count[bits] = next - h.first[bits]
	}
	return h
}

// fill enters a short code under everything that may follow it.
func (h *huffman) fill(c uint32, bits int, b byte) {
	from := c << (fastBits - bits)
	for i := range uint32(1) << (fastBits - bits) {
		h.fast[from+i] = uint16(b)<<8 | uint16(bits)
	}
}

// next finds the symbol at the top of w; 0 bits mean EOS or nothing.
func (h *huffman) next(w uint32) (b byte, bits int) {
	if e := h.fast[w>>(32-fastBits)]; e != 0 {
		return byte(e >> 8), int(e & 0xff)
	}
	for bits = fastBits + 1; bits <= maxBits; bits++ {
		if k := w>>(32-bits) - h.first[bits]; k < h.count[bits] {
			return h.symbols[h.start[bits]+k], bits
		}
	}
	return 0, 0
}

// appendHuffman adds the text that src encodes to dst. ok is false where src
// holds EOS, or padding that is longer than 7 bits or not all ones (RFC 7541,
// 5.2).
func appendHuffman(dst, src []byte) (out []byte, ok bool) {
	acc, have := uint64(0), 0 // the lowest have bits of acc are to be read
	for i := 0; ; {
		for have <= 56 && i < len(src) {
			acc, have, i = acc<<8|uint64(src[i]), have+8, i+1
		}
		if have == 0 {
			return dst, true
		}
		var w uint32
		if have >= 32 {
			w = uint32(acc >> (have - 32))
		} else {
			w = uint32(acc<<(32-have)) | (1<<(32-have) - 1)
		}
		b, bits := code.next(w)
		if bits == 0 || bits > have {
			return dst, have < 8 && w == 1<<32-1
		}
		dst, have = append(dst, b), have-bits
	}
}
