package event

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

// Numbers, times and addresses are written here and not by the standard
// library because a replay writes some forty of them for every few packets:
// what it formats in places of its own and then copies is written where it
// belongs.

// pairs are the numbers from 00 to 99 as text.
var pairs = func() (t [200]byte) {
	for i := range 100 {
		t[2*i], t[2*i+1] = byte('0'+i/10), byte('0'+i%10)
	}
	return t
}()

// put2 writes v, below 100, as two digits.
func put2(b []byte, v uint64) { _ = b[1]; b[0], b[1] = pairs[2*v], pairs[2*v+1] }

// digits8 are the eight digits of v, below 10^8, as the bytes of a word, the
// first digit lowest: v is cut into halves until each has one digit, all of
// those of a round at once. The multipliers are 1/100 and 1/10 in fixed point,
// exact for what is below 10,000 and 100.
func digits8(v uint64) uint64 {
	q := v / 10000
	v = q | (v-10000*q)<<32
	q = v * 10486 >> 20 & (0x7f<<32 | 0x7f)
	v = q | (v-100*q)<<16
	q = v * 103 >> 10 & 0x000f000f000f000f
	return q | (v-10*q)<<8
}

const zeros = 0x3030303030303030 // eight digits 0 as text

// appendUint adds v in decimal.
func appendUint(b []byte, v uint64) []byte {
	switch {
	case v < 10:
		return append(b, byte('0'+v))
	case v < 100:
		return append(b, pairs[2*v], pairs[2*v+1])
	case v >= 1e8:
		return binary.LittleEndian.AppendUint64(appendUint(b, v/1e8), digits8(v%1e8)|zeros)
	}
	d := digits8(v)
	none := bits.TrailingZeros64(d) &^ 7 // bits of zeros before the first digit
	at := len(b)
	return binary.LittleEndian.AppendUint64(b, (d|zeros)>>none)[:at+8-none/8]
}

func appendInt(b []byte, v int64) []byte {
	if v < 0 {
		return appendUint(append(b, '-'), -uint64(v))
	}
	return appendUint(b, uint64(v))
}

// octets are the numbers of an IPv4 address, each with a dot behind it: the
// bytes of a word, the first lowest, and their number in the highest.
var octets = func() (t [256]uint64) {
	for i := range t {
		text := strconv.Itoa(i) + "."
		for k := range text {
			t[i] |= uint64(text[k]) << (8 * k)
		}
		t[i] |= uint64(len(text)) << 56
	}
	return t
}()

// AppendAddr adds a as it adds itself, and nothing when it is none.
func AppendAddr(b []byte, a netip.AddrPort) []byte {
	switch {
	case a.Addr().Is4():
		for _, o := range a.Addr().As4() {
			n, text := len(b), octets[o]
			b = binary.LittleEndian.AppendUint32(b, uint32(text))[:n+int(text>>56)]
		}
		b[len(b)-1] = ':'
		return appendUint(b, uint64(a.Port()))
	case a.IsValid():
		return a.AppendTo(b)
	}
	return b
}

// appendTime writes RFC 3339 in UTC, with nanoseconds where there are any.
func appendTime(b []byte, ns int64) []byte {
	if ns < 0 {
		return time.Unix(0, ns).UTC().AppendFormat(b, time.RFC3339Nano)
	}
	sec, frac := uint64(ns)/1e9, uint64(ns)%1e9
	year, month, day := date(sec / 86400)
	sec %= 86400
	at := len(b)
	b = append(b, "2006-01-02T15:04:05"...)
	t := b[at:]
	put2(t, year/100)
	put2(t[2:], year%100)
	put2(t[5:], month)
	put2(t[8:], day)
	put2(t[11:], sec/3600)
	put2(t[14:], sec/60%60)
	put2(t[17:], sec%60)
	if frac > 0 {
		b = appendFraction(b, frac)
	}
	return append(b, 'Z')
}

// appendFraction writes nanoseconds of a second without zeros at the end.
func appendFraction(b []byte, ns uint64) []byte {
	b = append(b, '.', byte('0'+ns/1e8))
	d := digits8(ns % 1e8)
	none := bits.LeadingZeros64(d) / 8 // zeros behind the last digit
	at := len(b)
	return binary.LittleEndian.AppendUint64(b, d|zeros)[:at+8-none]
}

// date is the date of a day, counted from that of 1970. Years are taken to
// begin in March, so that the day that not all of them have is the last: the
// months before any of them, counted from March, have 30.6 days each, rounded.
func date(days uint64) (year, month, day uint64) {
	const (
		yearZero  = 719468 // days from the first of March of year 0 to 1970
		fourYears = 4*365 + 1
		century   = 25*fourYears - 1
		era       = 4*century + 1
	)
	days += yearZero
	n := days % era
	y := (n - n/(fourYears-1) + n/century - n/(era-1)) / 365 // without the leap days before it
	n -= 365*y + y/4 - y/100
	m := (5*n + 2) / 153
	year, month, day = y+days/era*400, m+3, n-(153*m+2)/5+1
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

// appendHex adds id, whole words of four bytes, as hexadecimal: the half bytes
// of a word are spread over eight bytes, and each of them made a digit.
func appendHex(b, id []byte) []byte {
	const ones = 0x0101010101010101
	for ; len(id) >= 4; id = id[4:] {
		x := uint64(binary.BigEndian.Uint32(id))
		x = (x | x<<16) & 0x0000ffff0000ffff
		x = (x | x<<8) & 0x00ff00ff00ff00ff
		x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
		letters := (x + 6*ones) >> 4 & ones // 1 where a half byte is ten or more
		b = binary.BigEndian.AppendUint64(b, x+'0'*ones+letters*('a'-'0'-10))
	}
	return b
}

const hexDigits = "0123456789abcdef"

// plain marks the bytes that stand in a JSON string as they are.
var plain = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendString writes s as a JSON string (RFC 8259, section 7). Bytes that are
// not UTF-8, which hostile traffic is full of, become U+FFFD.
func appendString(b []byte, s string) []byte {
	at, end := len(b)+1, len(b)+len(s)+2
	b = slices.Grow(b, len(s)+2)[:end]
	b[at-1] = '"'
	return finish(b, at, s)
}

// appendMember adds one more member of an object, whose value is text.
func appendMember(b []byte, key, value string) []byte {
	const marks = `,"":""`
	at, end := len(b), len(b)+len(key)+len(value)+len(marks)
	b = slices.Grow(b, end-at)[:end]
	b[at], b[at+1] = ',', '"'
	at += 2 + copy(b[at+2:], key)
	b[at], b[at+1], b[at+2] = '"', ':', '"'
	return finish(b, at+3, value)
}

// finish puts s and a quotation mark at the end of b, where there is just room
// for them from at on.
func finish(b []byte, at int, s string) []byte {
	if n := copyPlain(b[at:], s); n < len(s) {
		return append(appendText(b[:at+n], s[n:]), '"')
	}
	b[len(b)-1] = '"'
	return b
}

// appendText is appendString without the quotation marks.
func appendText(b []byte, s string) []byte {
	for s != "" {
		at := len(b)
		b = slices.Grow(b, len(s))[:at+len(s)]
		n := copyPlain(b[at:], s)
		if b = b[:at+n]; n == len(s) {
			break
		}
		b, n = appendOdd(b, s, n)
		s = s[n:]
	}
	return b
}

// copyPlain copies what is plain at the start of s, and is how much that is. It
// looks at eight bytes at a time, since most text is plain from end to end; the
// last eight may be among those before.
func copyPlain(to []byte, s string) (n int) {
	p := unsafe.Slice(unsafe.StringData(s), len(s))
	to = to[:len(p)]
	if len(p) >= 8 {
		for ; len(p)-n > 8; n += 8 {
			x := binary.LittleEndian.Uint64(p[n:])
			if odd(x) {
				break
			}
			binary.LittleEndian.PutUint64(to[n:], x)
		}
		if x := binary.LittleEndian.Uint64(p[len(p)-8:]); len(p)-n <= 8 && !odd(x) {
			binary.LittleEndian.PutUint64(to[len(p)-8:], x)
			return len(p)
		}
	}
	for ; n < len(p) && plain[p[n]]; n++ {
		to[n] = p[n]
	}
	return n
}

// odd reports whether one of eight bytes may not be plain: a false alarm costs
// only time.
func odd(x uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, slash, del := x^(ones*'"'), x^(ones*'\\'), x^(ones*0x7f)
	return (x|(x-ones*' ')|(quote-ones)|(slash-ones)|(del-ones))&high != 0
}

// appendOdd writes the character at s[at:], which is not plain, and returns
// where the next one begins.
func appendOdd(b []byte, s string, at int) ([]byte, int) {
	if s[at] < utf8.RuneSelf {
		return appendEscape(b, s[at]), at + 1
	}
	r, size := utf8.DecodeRuneInString(s[at:])
	return utf8.AppendRune(b, r), at + size
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
