package semantics

func digit(c byte) bool { return c-'0' < 10 }

func lower(c byte) byte {
	if c-'A' < 26 {
		return c | 0x20
	}
	return c
}

func hexDigit(c byte) (byte, bool) {
	d := hexDigits[c]
	return d, d < 16
}

// hexDigits are the values of the digits, 0xff for what is none.
var hexDigits = makeHexDigits()

func makeHexDigits() (t [256]byte) {
	for c := range t {
		t[c] = 0xff
	}
	for d, c := range []byte("0123456789abcdef") {
		t[c] = byte(d)
	}
	copy(t['A':], t['a':'g'])
	return t
}
