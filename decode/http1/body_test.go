package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
)

// bodyRun reads in, in pieces of at most step bytes, and tells what was found.
func bodyRun(f Framing, length int64, m Mode, in string, step int) (used int, payload string, done bool, err error) {
	var b Body
	b.Reset(f, length, m, decode.DefaultLimits())
	done = b.Done()
	for used < len(in) && !done {
		piece := []byte(in[used:min(len(in), used+step)])
		for len(piece) > 0 && !done {
			n, data, err := b.Data(piece)
			used, payload, piece = used+n, payload+string(data), piece[n:]
			if err != nil {
				return used, payload, false, err
			}
			done = b.Done()
		}
	}
	return used, payload, done, nil
}

func TestBodyEndsWhereItsFramingSays(t *testing.T) {
	const chunks = "5\r\nhello\r\n00a;x=\"y z\"\r\n, world...\r\n0 \r\nX-Sum: 1\r\nY:\r\n\r\n"
	for _, c := range []struct {
		f       Framing
		length  int64
		in      string
		used    int
		payload string
		done    bool
	}{
		{NoBody, 0, "next", 0, "", true},
		{Length, 3, "abcdef", 3, "abc", true},
		{Length, 9, "abcdef", 6, "abcdef", false},
		{UntilClose, 0, "abcdef", 6, "abcdef", false},
		{Chunked, 0, chunks + "GET", len(chunks), "hello, world...", true},
		{Chunked, 0, "0\r\n\r\nGET", 5, "", true},
		{Chunked, 0, "5\r\nhel", 6, "hel", false},
	} {
		for _, m := range []Mode{Lenient, Strict} {
			for step := 1; step <= len(c.in); step++ {
				used, payload, done, err := bodyRun(c.f, c.length, m, c.in, step)
				if used != c.used || payload != c.payload || done != c.done || err != nil {
					t.Fatalf("mode %d, step %d, %q: used %d, payload %q, done %v, %v", m, step, c.in, used, payload, done, err)
				}
			}
		}
	}
}

func TestStrictBodyRefuses(t *testing.T) {
	for in, detail := range map[string]string{
		"\r\n":                                "http1.invalid_chunk_size",
		" 5\r\nhello\r\n":                     "http1.invalid_chunk_size",
		"0x5\r\nhello\r\n":                    "http1.invalid_chunk_framing",
		"+5\r\nhello\r\n":                     "http1.invalid_chunk_size",
		"-5\r\nhello\r\n":                     "http1.invalid_chunk_size",
		"5 5\r\nhello\r\n":                    "http1.invalid_chunk_size",
		"5\nhello\r\n":                        "http1.codec_error.bare_lf",
		"5\rhello\r\n":                        "http1.codec_error.bare_cr",
		"5;a\nhello\r\n":                      "http1.codec_error.bare_lf",
		"5;a\x00\r\nhello\r\n":                "http1.invalid_chunk_framing",
		"5\r\nhello!\r\n":                     "http1.invalid_chunk_framing",
		"5\r\nhello\n":                        "http1.codec_error.bare_lf",
		"ffffffffffffffff\r\n":                "http1.invalid_chunk_size",
		"0000000000000005\r\n":                "http1.invalid_chunk_size",
		"0\r\n\n":                             "http1.invalid_trailer",
		"0\r\nGET / HTTP/1.1\r\n":             "http1.invalid_trailer",
		"0\r\na: b\n\r\n":                     "http1.codec_error.bare_lf",
		"0\r\na: b\r\n c\r\n\r\n":             "http1.invalid_trailer",
		"0\r\na: b\x01\r\n\r\n":               "http1.codec_error.invalid_character",
		"5;" + strings.Repeat("a", 5<<10):     "http1.chunk_framing_too_long",
		"0\r\na: " + strings.Repeat("a", 1e5): "http1.chunk_framing_too_long",
	} {
		for _, step := range []int{1, 3, len(in)} {
			_, _, _, err := bodyRun(Chunked, 0, Strict, in, step)
			var e *Error
			if !errors.As(err, &e) || e.Detail != detail {
				t.Errorf("step %d, %.40q: got %v, want %s", step, in, err, detail)
			}
		}
	}
}

func TestLenientBodyTakesBareLF(t *testing.T) {
	const in = "5\nhello\n 3 x\nabc\n0\nA: b\n\nnext"
	used, payload, done, err := bodyRun(Chunked, 0, Lenient, in, 1)
	if in[used:] != "next" || payload != "helloabc" || !done || err != nil {
		t.Errorf("left %q, payload %q, done %v, %v", in[used:], payload, done, err)
	}
}
