package grpc

import (
	"math"

	"github.com/pitot-io/pitot/decode"
)

// timeout is the value of grpc-timeout, at most eight digits and a unit, in
// nanoseconds; 0 when it is malformed. 99999999H is longer than an int64 can
// tell: what is too long is the longest there is.
func timeout(v string) int64 {
	if len(v) < 2 || len(v) > 9 {
		return 0
	}
	n, ok := number(v[:len(v)-1])
	if !ok {
		return 0
	}
	unit := uint64(0)
	switch v[len(v)-1] {
	case 'n':
		unit = 1
	case 'u':
		unit = 1e3
	case 'm':
		unit = 1e6
	case 'S':
		unit = 1e9
	case 'M':
		unit = 60e9
	case 'H':
		unit = 3600e9
	}
	if unit != 0 && n > math.MaxInt64/unit {
		return math.MaxInt64
	}
	return int64(n * unit)
}

// status is the value of grpc-status; -1 when it is not a number.
func status(v string) int32 {
	n, ok := number(v)
	if !ok || n > math.MaxInt32 {
		return -1
	}
	return int32(n)
}

// number reads decimal digits, which do not overflow.
func number(v string) (n uint64, ok bool) {
	for i := range len(v) {
		d := uint64(v[i] - '0')
		if d > 9 || n > math.MaxUint32 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, v != ""
}

// faulty reports whether a code is the server's failure (semantic conventions
// of OpenTelemetry, gRPC, server spans).
func faulty(code int32) bool {
	switch code {
	case 2, 4, 12, 13, 14, 15: // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
		return true
	}
	return false
}

// keepDecoded is keep for percent-encoded text. What is no escape stays as it
// is: a message is never thrown away for it.
func (k *call) keepDecoded(v string) string {
	at, end := len(k.text), len(k.text)+k.limit
	for i := 0; i < len(v) && len(k.text) < end; i++ {
		if v[i] == '%' && i+2 < len(v) {
			hi, lo := hexDigit(v[i+1]), hexDigit(v[i+2])
			if hi|lo < 16 {
				k.text = append(k.text, hi<<4|lo)
				i += 2
				continue
			}
		}
		k.text = append(k.text, v[i])
	}
	return decode.View(k.text[at:])
}

// hexDigit is the value of c, 0xff when it is no digit.
func hexDigit(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// keep copies v, at most limit bytes of it, into the text that the call lends.
func (k *call) keep(v string) string {
	at := len(k.text)
	k.text = append(k.text, v[:min(len(v), k.limit)]...)
	return decode.View(k.text[at:])
}
