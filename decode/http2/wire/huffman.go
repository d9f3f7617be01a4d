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

// pair is what the next fastBits bits begin with: two codes or one. In its bits
// from the lowest: the first byte, the second, the bits of both (8 each), and how
// many codes they are; 0 where the first code is longer than fastBits.
type pair uint32

func (p pair) bits() uint { return uint(p>>16) & 0xff }
func (p pair) codes() int { return int(p >> 24) }

// huffman is the code in the forms that reading and writing want.
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
func (h *huffman) pair(w uint32) pair {
	a, bits := h.next(w)
	if bits == 0 || bits > fastBits {
		return 0
	}
	if b, more := h.next(w << bits); more > 0 && bits+more <= fastBits {
		return pair(a) | pair(b)<<8 | pair(bits+more)<<16 | 2<<24
	}
	return pair(a) | pair(bits)<<16 | 1<<24
}

// next finds the symbol at the top of w; 0 bits mean EOS or nothing.
func (h *huffman) next(w uint32) (b byte, bits uint) {
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
	dst = slices.Grow(dst, len(src)*8/minBits+2)
	u := unhuffman{out: dst[:cap(dst)], n: len(dst), src: src}
	ok = u.most() && u.rest()
	return u.out[:u.n], ok
}

// unhuffman is a text on its way: the highest have bits of acc are to be read
// next; what is below them is 0, or what src begins with.
type unhuffman struct {
	out  []byte
	n    int
	src  []byte
	acc  uint64
	have uint
}

// most reads while src has eight bytes, so that there are always bits enough
// for four looks, or for the longest code.
func (u *unhuffman) most() bool {
	out, n, src, acc, have := u.out, u.n, u.src, u.acc, u.have
	for len(src) >= 8 {
		acc |= binary.BigEndian.Uint64(src) >> (have & 63)
		src = src[(63-have)/8:]
		have |= 56
		p := code.fast[acc>>(64-fastBits)]
		if p == 0 {
			b, bits := code.next(uint32(acc >> 32))
			if bits == 0 {
				return false
			}
			out[n], n = b, n+1
			acc, have = acc<<bits, have-bits
			continue
		}
		for look := 0; p != 0; look++ {
			binary.LittleEndian.PutUint16(out[n:], uint16(p))
			n += p.codes()
			acc, have = acc<<(p.bits()&63), have-p.bits()
			if look == 3 {
				break
			}
			p = code.fast[acc>>(64-fastBits)]
		}
	}
	u.n, u.src, u.acc, u.have = n, src, acc, have
	return true
}

// rest reads to the end.
func (u *unhuffman) rest() bool {
	for {
		for u.have <= 56 && len(u.src) > 0 {
			u.acc |= uint64(u.src[0]) << (56 - u.have)
			u.have, u.src = u.have+8, u.src[1:]
		}
		if u.have < 8 && u.acc>>(63-u.have)>>1 == 1<<u.have-1 {
			return true // no code is that short and all ones
		}
		p := code.fast[u.acc>>(64-fastBits)]
		b, bits := byte(p), p.bits()
		switch {
		case p != 0 && bits <= u.have:
			binary.LittleEndian.PutUint16(u.out[u.n:], uint16(p))
			u.n += p.codes()
			u.acc, u.have = u.acc<<bits, u.have-bits
			continue
		case p == 0:
			b, bits = code.next(uint32(u.acc >> 32))
		case p.codes() == 2:
			bits = uint(huffmanBits[b]) // the second may be in what is not there
		}
		if bits == 0 || bits > u.have {
			return false
		}
		u.out[u.n], u.n = b, u.n+1
		u.acc, u.have = u.acc<<bits, u.have-bits
	}
}
