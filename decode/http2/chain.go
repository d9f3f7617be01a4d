package http2

import (
	"bytes"
	"encoding/binary"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// How much speaks for bytes being a chain of frames, in points. A header alone
// is 40 bits that random bytes must hit; a frame whose payload is checked too,
// or is empty by rule, is some 64.
const (
	someEvidence = 2
	goodEvidence = 4
	bestEvidence = 6 // a field block in order that begins as its direction wants
	enough       = 6
	enoughAtEnd  = 4 // when the bytes end where a frame does
)

// look is what a look at a chain of frames found.
type look struct {
	points int
	size   int  // bytes that were looked at
	ask    bool // a request's pseudo-fields were among them
	tell   bool // an answer's were
}

// fits reports whether nothing speaks for the other direction.
func (l look) fits(d event.Dir) bool {
	if d == event.ToServer {
		return !l.tell
	}
	return !l.ask
}

func startsWithPreface(d event.Dir, b []byte) bool {
	n := min(len(b), len(preface))
	return d == event.ToServer && n > 0 && string(b[:n]) == preface[:n]
}

// chain judges whether b begins with frames in direction d; final says that no
// more bytes will come, way that frames are looked at until one tells its
// direction. open, where it is not nil, are streams that are known.
func chain(d event.Dir, b []byte, open *streams, final, way bool) (l look, v decode.Verdict) {
	if startsWithPreface(d, b) {
		switch {
		case len(b) >= len(preface):
			return look{points: enough, size: len(preface)}, decode.Yes
		case !final:
			return l, decode.Maybe
		}
		return l, decode.No
	}
	for l.points < enough || way && !l.ask && !l.tell {
		if len(b) < headSize {
			return l, l.ending(d, b, final)
		}
		f := parseFrame(b)
		if !f.plausible(d) {
			return l, decode.No
		}
		p := b[headSize:]
		if len(p) < f.length && !final {
			if n := l.partly(f, p); n < 0 {
				return l, decode.No
			}
			return l, decode.Maybe
		}
		p = p[:min(f.length, len(p))]
		n := l.judge(f, p)
		if n < 0 || len(p) < f.length && l.points+n < enough {
			return l, decode.No
		}
		if n += l.back(f, n, open); n < 0 {
			return l, decode.No
		}
		l.points += n
		l.size += headSize + len(p)
		b = b[headSize+len(p):]
	}
	if !l.fits(d) {
		return l, decode.No
	}
	return l, decode.Yes
}

// ending is the verdict on bytes that end within a header, or before it.
func (l look) ending(d event.Dir, b []byte, final bool) decode.Verdict {
	switch {
	case len(b) > 0 && b[0] != 0, len(b) > 3 && !plausibleKind(b[3]):
		return decode.No
	case !final:
		return decode.Maybe
	case l.points >= enoughAtEnd && l.fits(d):
		return decode.Yes
	}
	return decode.No
}

// partly looks at a payload that is not whole yet; negative when it cannot be
// what the header says.
func (l *look) partly(f frame, p []byte) int {
	if f.kind == frameSettings {
		return plausibleSettings(p[:len(p)/6*6])
	}
	return 0
}

func plausibleKind(k uint8) bool {
	return int(k) < len(rules) && rules[k].name != ""
}

// plausible is stricter than frame.broken, as the place is not known: no
// unknown types or flags, no frame over the size that everybody takes, none
// that only its sender's other side may send.
func (f frame) plausible(d event.Dir) bool {
	r := f.rule()
	switch {
	case r == nil, f.broken() != "", f.odd, f.flags&^r.flags != 0, f.length > frameLimit:
		return false
	case f.kind == framePushPromise && d == event.ToServer:
		return false
	case (f.kind == frameHeaders || f.kind == frameData) && d == event.ToServer && f.stream&1 == 0:
		return false
	case f.kind == frameData && f.length == 0 && !f.has(flagEndStream):
		return false
	}
	return true
}

// back lets a chain begin with a frame that says little only where its stream
// is known to be open: the end of a frame often looks like the header of a small
// one, after which the chain goes on, and bodies hold anything. It is what the
// frame counts for more; less than nothing where it cannot begin a chain.
func (l *look) back(f frame, n int, open *streams) int {
	switch {
	case l.size > 0 || n > someEvidence:
		return 0
	case f.length > 0 && open != nil && open.open[f.stream] != nil:
		return goodEvidence - n
	}
	return -n - 1
}

// judge says how much a frame with payload p, which may be cut, speaks for a
// chain; negative when it speaks against it.
func (l *look) judge(f frame, p []byte) int {
	switch f.kind {
	case frameHeaders:
		return l.headers(f, p)
	case frameSettings:
		if plausibleSettings(p) < 0 {
			return -1
		}
		return goodEvidence
	case frameWindowUpdate:
		if n := binary.BigEndian.Uint32(pad4(p)); n == 0 || n>>31 != 0 {
			return -1
		}
		return goodEvidence
	case frameReset:
		if binary.BigEndian.Uint32(pad4(p)) >= uint32(len(codes)) {
			return -1
		}
		return goodEvidence
	case framePing:
		return goodEvidence
	case frameGoAway:
		if len(p) >= 8 && binary.BigEndian.Uint32(p[4:]) < uint32(len(codes)) {
			return goodEvidence
		}
	case frameData:
		if f.has(flagPadded) && (len(p) == 0 || int(p[0]) >= f.length) {
			return -1
		}
	}
	return someEvidence
}

// pad4 is p, or four bytes that stand for one that is cut.
func pad4(p []byte) []byte {
	if len(p) < 4 {
		return []byte{0, 0, 0, 1}
	}
	return p
}

// maxSetting is the highest identifier in use, GREASE apart.
const maxSetting = 0x20

func plausibleSettings(p []byte) int {
	for ; len(p) >= 6; p = p[6:] {
		id, v := binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])
		switch {
		case id == 0, id > maxSetting && id&0x0f0f != 0x0a0a && id < 0xf000,
			id == settingMaxFrame && (v < frameLimit || v > maxFrame):
			return -1
		}
	}
	return 0
}

// headers judges a field block by its form, without a table.
func (l *look) headers(f frame, p []byte) int {
	var b block
	whole := len(p) == f.length
	p, ok := b.strip(f, p, whole)
	if !ok || whole && len(p) == 0 && f.has(flagEndHeaders) {
		return -1
	}
	whole = whole && f.has(flagEndHeaders)
	for n := 0; len(p) > 0; n++ {
		x, rest, err := wire.Next(p)
		if err == wire.ErrShort && !whole {
			break
		}
		if err != nil || !l.representation(&x, n) {
			return -1
		}
		p = rest
	}
	switch {
	case l.ask && l.tell:
		return -1
	case !whole:
		return someEvidence
	case l.ask || l.tell:
		return bestEvidence
	}
	return goodEvidence
}

// Which of the static entries name the pseudo-fields of requests and answers
// (RFC 7541, Appendix A).
const (
	staticRequest = 7  // up to here, but for 0
	staticAnswer  = 14 // from staticRequest+1 up to here
)

// maxIndex is an index that no table reaches.
const maxIndex = 4096

// representation judges the n-th of a field block.
func (l *look) representation(p *wire.Representation, n int) bool {
	switch {
	case p.Form == wire.Resized:
		return n < 2
	case p.Index > maxIndex, p.Index == 0 && p.Form == wire.Indexed:
		return false
	case p.Index > 0 && p.Index <= staticRequest:
		l.ask = true
	case p.Index > 0 && p.Index <= staticAnswer:
		l.tell = true
	case p.Index == 0:
		return l.name(p.Name)
	}
	return true
}

// name judges a name that is sent as text.
func (l *look) name(s wire.Literal) bool {
	var buf [64]byte
	b := s.Bytes
	if s.Huffman {
		var ok bool
		if b, ok = wire.AppendUnhuffman(buf[:0], s.Bytes); !ok {
			return false
		}
	}
	if len(b) == 0 || bytes.ContainsFunc(b[1:], notInName) || b[0] != ':' && notInName(rune(b[0])) {
		return false
	}
	switch r := wire.RoleOf(decode.View(b)); {
	case r == wire.RoleStatus:
		l.tell = true
	case r.Pseudo():
		l.ask = true
	}
	return true
}

// notInName reports what RFC 9113, 8.2.1 does not let stand in a name.
func notInName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' ||
		r < 0x7f && bytes.IndexByte([]byte("!#$%&'*+^`|~"), byte(r)) >= 0)
}
