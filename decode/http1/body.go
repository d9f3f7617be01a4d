package http1

import (
	"github.com/pitot-io/pitot/decode"
)

// Body follows the framing of one message's body. Its zero value is a body
// that is done.
type Body struct {
	Payload int64 // bytes of payload so far, without chunk framing
	Chunks  int   // so far, the last one left out

	// Ambiguous names both readings of framing that two programs might take
	// differently, and the one taken (Lenient only).
	Ambiguous string

	framing Framing
	mode    Mode
	state   bodyState
	rest    int64 // of the body (Length) or the chunk
	line    int   // bytes of the current size line or trailers so far
	limit   int   // of line
	digits  int

	told  bool           // that it is ambiguous
	name  [maxKnown]byte // of the trailer field that is read; Strict only
	named int            // its length

	collect bool   // the trailer section
	trailer []byte // as it is, at most limit bytes
}

type bodyState uint8

const (
	bodyDone   bodyState = iota
	bodyData             // rest bytes of payload
	chunkSize            // in the digits
	chunkBlank           // after them
	chunkExtension
	chunkSizeLF // CR was seen
	chunkEnd    // after the payload
	chunkEndLF
	trailerStart // of a line
	trailerName
	trailerValue
	trailerLF // CR that ends a field was seen
	finalLF   // CR of the empty line was seen
)

// maxSizeLine bounds a chunk's size and extensions.
const maxSizeLine = 4 << 10

// Reset begins a new body. length counts for Length only.
func (b *Body) Reset(f Framing, length int64, m Mode, lim decode.Limits) {
	*b = Body{framing: f, mode: m, rest: length, limit: lim.Head, trailer: b.trailer[:0]}
	switch {
	case f == Chunked:
		b.state, b.rest = chunkSize, 0
	case f == UntilClose, f == Length && length > 0:
		b.state = bodyData
	}
}

// Done reports whether the body has ended.
func (b *Body) Done() bool { return b.state == bodyDone }

// Next consumes the bytes of in that belong to the body, framing and payload,
// and counts the payload among them; done says that the body ends with them. A
// proxy forwards in[:n] as it is. n < len(in) only when done or on an *Error.
func (b *Body) Next(in []byte) (n int, payload int64, done bool, err error) {
	for n < len(in) && b.state != bodyDone {
		k, data, err := b.Data(in[n:])
		n += k
		payload += int64(len(data))
		if err != nil {
			return n, payload, false, err
		}
	}
	return n, payload, b.state == bodyDone, nil
}

// Data consumes bytes up to the end of one run of payload, data, which is the
// end of in[:n]; it is empty when in has only framing. Call it until it has
// consumed in or Done reports true.
func (b *Body) Data(in []byte) (n int, data []byte, err error) {
	for n < len(in) && b.state != bodyDone {
		if b.state == bodyData {
			data = b.take(in[n:])
			return n + len(data), data, nil
		}
		k, err := b.frame(in[n:])
		n += k
		if err != nil {
			return n, nil, err
		}
	}
	return n, nil, nil
}

func (b *Body) take(in []byte) []byte {
	if b.framing == UntilClose {
		b.Payload += int64(len(in))
		return in
	}
	k := min(b.rest, int64(len(in)))
	b.rest -= k
	b.Payload += k
	if b.rest == 0 {
		b.state = bodyDone
		if b.framing == Chunked {
			b.state = chunkEnd
		}
	}
	return in[:k]
}

// Skip takes n bytes that were never seen for payload, if they lie wholly
// inside it. A decoder calls it for a gap.
func (b *Body) Skip(n int64) bool {
	if b.state != bodyData || b.framing != UntilClose && n > b.rest {
		return false
	}
	b.Payload += n
	if b.framing == UntilClose {
		return true
	}
	if b.rest -= n; b.rest == 0 {
		b.state = bodyDone
		if b.framing == Chunked {
			b.state = chunkEnd
		}
	}
	return true
}

// Rest is how many bytes are missing to the end, where that is known.
func (b *Body) Rest() int64 {
	if b.framing != Length {
		return 0
	}
	return b.rest
}

// frame consumes chunk framing: one byte, or a run of bytes that mean nothing.
// RFC 9112, 7.1.
func (b *Body) frame(in []byte) (int, error) {
	c := in[0]
	switch b.state {
	case chunkSize:
		return 1, b.size(c)
	case chunkBlank, chunkExtension:
		return b.extension(in)
	case chunkSizeLF:
		return 1, b.sizeDone(c)
	case chunkEnd:
		return 1, b.end(c, chunkEndLF)
	case chunkEndLF:
		return 1, b.lf(c, chunkSize)
	}
	n, err := b.trailers(in)
	if b.collect {
		b.trailer = append(b.trailer, in[:n]...)
	}
	return n, err
}

func (b *Body) size(c byte) error {
	d, ok := hexDigit(c)
	if ok {
		if b.digits++; b.digits > 15 && (b.mode == Strict || b.rest>>58 != 0) {
			return bad("http1.invalid_chunk_size")
		}
		b.rest = b.rest<<4 | int64(d)
		return b.lined(1, maxSizeLine)
	}
	if b.digits == 0 {
		if b.mode == Lenient && blank(c) {
			b.forgive("blank before a chunk's size: skipped, or refused: skipped")
			return b.lined(1, maxSizeLine)
		}
		return bad("http1.invalid_chunk_size")
	}
	switch {
	case blank(c):
		b.state = chunkBlank
	case c == ';':
		b.state = chunkExtension
	default:
		return b.end(c, chunkSizeLF)
	}
	return b.lined(1, maxSizeLine)
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' < 10:
		return c - '0', true
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// extension skips what follows the size, bounded.
func (b *Body) extension(in []byte) (int, error) {
	if b.state == chunkBlank {
		switch c := in[0]; {
		case blank(c):
			return 1, b.lined(1, maxSizeLine)
		case c == ';' || b.mode == Lenient && c != '\r' && c != '\n':
			if c != ';' {
				b.forgive("text behind a chunk's size without a semicolon: skipped, refused, or part of the size: skipped")
			}
			b.state = chunkExtension
			return 1, b.lined(1, maxSizeLine)
		case c != '\r' && c != '\n':
			return 0, bad("http1.invalid_chunk_size")
		}
		if b.mode == Lenient {
			b.forgive("blank behind a chunk's size: skipped, or refused: skipped")
		}
	}
	n := textEnd(in, 0)
	if err := b.lined(n, maxSizeLine); err != nil || n == len(in) {
		return n, err
	}
	if c := in[n]; b.mode == Lenient && c != '\r' && c != '\n' {
		b.forgive("control character in a chunk's extension: skipped, or refused: skipped")
		return n + 1, b.lined(1, maxSizeLine)
	}
	return n + 1, b.end(in[n], chunkSizeLF)
}

const bareLF = "line of chunk framing that ends in LF alone: its end, or not: read as its end"

// forgive notes what a lenient reading let pass; the first counts.
func (b *Body) forgive(readings string) {
	if b.Ambiguous == "" {
		b.Ambiguous = readings
	}
}

// lined counts n bytes of a line that has a limit.
func (b *Body) lined(n, limit int) error {
	if b.line += n; b.line > limit {
		return &Error{431, "http1.chunk_framing_too_long"}
	}
	return nil
}

// end takes the CR that ends a line; a lenient reading takes LF for both.
func (b *Body) end(c byte, then bodyState) error {
	switch {
	case c == '\r':
		b.state = then
		return nil
	case c == '\n' && b.mode == Lenient:
		b.forgive(bareLF)
		b.state = then
		return b.frameLF(then)
	case c == '\n':
		return bad("http1.codec_error.bare_lf")
	}
	return bad("http1.invalid_chunk_framing")
}

// frameLF goes on as after the LF that state then waits for.
func (b *Body) frameLF(then bodyState) error {
	if then == chunkSizeLF {
		return b.sizeDone('\n')
	}
	return b.lf('\n', chunkSize)
}

func (b *Body) lf(c byte, then bodyState) error {
	if c != '\n' {
		return bad("http1.codec_error.bare_cr")
	}
	b.state, b.line, b.digits = then, 0, 0
	return nil
}

func (b *Body) sizeDone(c byte) error {
	then := bodyData
	if b.rest == 0 {
		then = trailerStart
	} else {
		b.Chunks++
	}
	return b.lf(c, then)
}

// trailers reads the fields after the last chunk (RFC 9112, 7.1.2): their form
// is checked, their content is forwarded or dropped by others.
func (b *Body) trailers(in []byte) (int, error) {
	c := in[0]
	if err := b.lined(1, b.limit); err != nil {
		return 0, err
	}
	switch b.state {
	case trailerStart:
		return 1, b.trailerBegins(c)
	case trailerName:
		if c == ':' || b.mode == Lenient && c != '\r' && c != '\n' {
			b.state = trailerValue
			return 1, b.trailerNamed()
		} else if !token[c] {
			return 1, b.trailerEnds(c, "http1.invalid_trailer")
		}
		b.spell(c)
	case trailerValue:
		if n := textEnd(in, 0); n > 0 {
			return n, b.lined(n-1, b.limit)
		}
		if b.mode == Lenient && c != '\r' && c != '\n' {
			return 1, nil
		}
		return 1, b.trailerEnds(c, "")
	case trailerLF, finalLF:
		if c != '\n' {
			return 1, bad("http1.codec_error.bare_cr")
		}
		b.trailerNext()
	}
	return 1, nil
}

func (b *Body) trailerBegins(c byte) error {
	switch {
	case c == '\r':
		b.state = finalLF
	case c == '\n' && b.mode == Lenient:
		b.forgive(bareLF)
		b.state = bodyDone
	case token[c]:
		b.state, b.named = trailerName, 0
		b.spell(c)
	case b.mode == Lenient:
		b.state = trailerValue
	default:
		return bad("http1.invalid_trailer")
	}
	return nil
}

// spell keeps one more byte of a trailer field's name.
func (b *Body) spell(c byte) {
	if b.named < len(b.name) {
		b.name[b.named] = c
	}
	b.named++
}

// trailerNamed refuses fields that have their meaning before a body and none
// after it: who takes both for one reads another message (RFC 9110, 6.5.1).
func (b *Body) trailerNamed() error {
	if b.mode != Strict || b.named > len(b.name) {
		return nil
	}
	switch fieldID(b.name[:b.named]) {
	case ContentLength, TransferEncoding, HostField, Connection, UpgradeField, TE, Expect:
		return bad("http1.forbidden_trailer")
	}
	return nil
}

func (b *Body) trailerEnds(c byte, detail string) error {
	switch {
	case detail != "" && b.mode == Strict:
		return bad(detail)
	case c == '\r':
		b.state = trailerLF
		return nil
	case c == '\n' && b.mode == Lenient:
		b.forgive(bareLF)
		b.state = trailerStart
		return nil
	}
	return badByte(c)
}

func (b *Body) trailerNext() {
	if b.state == finalLF {
		b.state = bodyDone
		return
	}
	b.state = trailerStart
}
