package tls

// Types of records (RFC 8446, 5.1).
const (
	typeChange    = 20 // change_cipher_spec
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
	typeHeartbeat = 24
)

const (
	headerLen = 5
	maxBody   = 1<<14 + 2048 // RFC 5246, 6.2.3: of a protected record
	maxRecord = headerLen + maxBody
	minSealed = 17 // RFC 8446, 5.2: a type and an authentication tag
)

// recordLength is the length of the body that a record's header announces.
// With fewer bytes than a header has, ok says that it may become one.
func recordLength(b []byte) (n int, ok bool) {
	switch {
	case len(b) > 0 && (b[0] < typeChange || b[0] > typeHeartbeat),
		len(b) > 1 && b[1] != 3,
		len(b) > 2 && b[2] > 4:
		return 0, false
	case len(b) < headerLen:
		return 0, true
	}
	n = int(b[3])<<8 | int(b[4])
	return n, n > 0 && n <= maxBody || n == 0 && b[0] == typeData
}

// cursor takes big-endian fields off the front of b. When one is not there,
// bad is set, and everything after it is empty.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) number(size int) (n int) {
	for _, x := range c.take(size) {
		n = n<<8 | int(x)
	}
	return n
}

// vector is a field whose length stands before it in size bytes.
func (c *cursor) vector(size int) cursor {
	b := c.take(c.number(size))
	return cursor{b: b, bad: c.bad}
}

// numbers are the 16-bit numbers of a vector.
func (c *cursor) numbers(size int) (all []uint16) {
	v := c.vector(size)
	for len(v.b) >= 2 {
		all = append(all, uint16(v.number(2)))
	}
	return all
}
