package wire

import (
	"encoding/binary"
	"slices"
)

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
	fastBits = 12 // looked at together: two codes of usual text, or one
	minBits  = 5  // of any code
	maxBits  = 30 // of any code
)

// pair is one code, or two, that the next fastBits bits begin with.
type pair struct {
	text  [2]byte
	bits  uint8 // of all its codes; 0 where the first is longer than fastBits
	first uint8 // bits of the first code
}

// bytes is how many codes the pair has.
func (p pair) bytes() int {
	if p.bits > p.first {
		return 2
	}
	return 1
}

// huffman is the code in the form that decoding wants.
type huffman struct {
	codes   [256]uint32
	fast    [1 << fastBits]pair
	symbols [256]byte           // in the order of their codes
	first   [maxBits + 1]uint32 // code of the first symbol of a length
	count   [maxBits + 1]uint32 // symbols of a length
	start   [maxBits + 1]uint32 // where they begin in symbols
}

var code = makeHuffman()

func makeHuffman() *huffman {
	h := new(huffman)
	next, n := uint32(0), 0
	for bits := 1; bits <= maxBits; bits++ {
		next <<= 1
		h.first[bits], h.start[bits] = next, uint32(n)
		for b, l := range huffmanBits {
			if int(l) == bits {
				h.symbols[n], h.codes[b] = byte(b), next
				n, next = n+1, next+1
			}
		}
		h.count[bits] = next - h.first[bits]
	}
	for i := range h.fast {
		h.fast[i] = h.pair(uint32(i) << (32 - fastBits))
	}
	return h
}

// pair reads what the first fastBits bits of w tell.
func (h *huffman) pair(w uint32) (p pair) {
	a, bits := h.next(w)
	if bits == 0 || bits > fastBits {
		return pair{}
	}
	p = pair{[2]byte{a}, uint8(bits), uint8(bits)}
	if b, more := h.next(w << bits); more > 0 && bits+more <= fastBits {
		p.text[1], p.bits = b, uint8(bits+more)
	}
	return p
}

// next finds the symbol at the top of w; 0 bits mean EOS or nothing.
func (h *huffman) next(w uint32) (b byte, bits int) {
	for bits = minBits; bits <= maxBits; bits++ {
		if k := w>>(32-bits) - h.first[bits]; k < h.count[bits] {
			return h.symbols[h.start[bits]+k], bits
		}
	}
	return 0, 0
}

// AppendUnhuffman adds the text that src encodes to dst. ok is false where src
// holds EOS, or padding that is longer than 7 bits or not all ones (RFC 7541,
// 5.2).
func AppendUnhuffman(dst, src []byte) (out []byte, ok bool) {
	dst = slices.Grow(dst, len(src)*8/minBits+1)
	out = dst[:cap(dst)]
	n := len(dst)
	acc, have := uint64(0), 0 // the highest have bits of acc are to be read, the others are 0
	for {
		if have < maxBits {
			acc, have, src = refill(acc, have, src)
		}
		if p := code.fast[acc>>(64-fastBits)]; int(p.bits) <= have && p.bits > 0 {
			out[n], out[n+1] = p.text[0], p.text[1]
			n += p.bytes()
			acc, have = acc<<p.bits, have-int(p.bits)
			continue
		}
		w := uint32(acc>>32) | uint32(1<<32-1)>>min(have, 32)
		b, bits := code.next(w)
		if bits == 0 || bits > have {
			return out[:n], have == 0 || have < 8 && w == 1<<32-1
		}
		out[n], n = b, n+1
		acc, have = acc<<bits, have-bits
	}
}

// refill reads on in src while whole bytes fit into acc.
func refill(acc uint64, have int, src []byte) (uint64, int, []byte) {
	if len(src) >= 8 {
		n := (64 - have) / 8
		word := binary.BigEndian.Uint64(src) >> (64 - 8*n) << (64 - 8*n)
		return acc | word>>have, have + 8*n, src[n:]
	}
	for have <= 56 && len(src) > 0 {
		acc, have, src = acc|uint64(src[0])<<(56-have), have+8, src[1:]
	}
	return acc, have, src
}
