package grpcweb

import (
	"bytes"
	"encoding/base64"
	"io"

	"github.com/pitot-io/pitot/decode/http1"
)

// errText answers a "-text" body that is no base64.
var errText = &http1.Error{Status: 400, Detail: "grpc_web.bad_base64"}

// decoder undoes base64 that comes in pieces. A sender may pad at the end of
// every message (PROTOCOL-WEB), so padding can stand anywhere.
type decoder struct {
	rest [4]byte // characters of a group of four that has come in part
	n    int
	out  []byte
}

// decode is what b makes whole. The bytes are good until the next call.
func (d *decoder) decode(b []byte) ([]byte, error) {
	d.out = d.out[:0]
	if d.n > 0 {
		k := copy(d.rest[d.n:], b)
		b, d.n = b[k:], d.n+k
		if d.n < len(d.rest) {
			return nil, nil
		}
		d.n = 0
		if err := d.group(d.rest[:]); err != nil {
			return nil, err
		}
	}
	whole := len(b) &^ 3
	d.n = copy(d.rest[:], b[whole:])
	for b = b[:whole]; len(b) > 0; {
		n := untilPadding(b)
		if err := d.group(b[:n]); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return d.out, nil
}

// untilPadding is where the first group that is padded ends in b, else all of it.
func untilPadding(b []byte) int {
	for i := 3; i < len(b); i += 4 {
		if b[i] == '=' {
			return i + 1
		}
	}
	return len(b)
}

// group decodes groups of four, of which the last may be padded.
func (d *decoder) group(b []byte) (err error) {
	if bytes.ContainsAny(b, "\r\n") { // the decoder would skip them, and groups would not be of four
		return errText
	}
	if d.out, err = base64.StdEncoding.AppendDecode(d.out, b); err != nil {
		return errText
	}
	return nil
}

// end is the error of a body that ends here: io.EOF where it is whole.
func (d *decoder) end() error {
	if d.n > 0 {
		return errText
	}
	return io.EOF
}

func encode(dst, b []byte) []byte { return base64.StdEncoding.AppendEncode(dst, b) }
