// Package coding undoes content codings of bodies that were kept: gzip, deflate,
// br and zstd, one or several on top of each other, bounded in memory and work.
package coding

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// ErrUnknown says that a body is under a coding that is not undone.
var ErrUnknown = errors.New("unknown content coding")

// ErrCut says that a body has more to it than was kept or wanted.
var ErrCut = errors.New("body is cut")

const (
	maxCodings = 4       // on top of each other; real ones are one, seldom two
	maxWindow  = 8 << 20 // bytes that zstd may look back (RFC 9659)
	slack      = 64 << 10
)

// Decode undoes the codings of in, a list as in Content-Encoding (RFC 9110,
// 8.4: in the order in which they were applied). out is what could be decoded,
// at most limit bytes; err says why that is not all. Under an unknown coding out
// is in as it is. out may share memory with in.
func Decode(in []byte, codings string, limit int) (out []byte, err error) {
	names, err := parse(codings)
	if err != nil || len(names) == 0 {
		if len(in) > limit {
			return in[:max(0, limit)], errors.Join(err, ErrCut)
		}
		return in, err
	}
	r, finish := io.Reader(bytes.NewReader(in)), []func(){}
	for i := len(names) - 1; i >= 0 && err == nil; i-- {
		var done func()
		r, done, err = undo(names[i], r)
		finish = append(finish, done)
		if i > 0 { // what only another coding sees may not grow without bound either
			r = io.LimitReader(r, 4*int64(limit)+slack)
		}
	}
	if err == nil {
		out, err = read(r, limit)
	}
	for _, done := range finish {
		done()
	}
	return out, err
}

// parse is the list's codings in lower case, identity left out.
func parse(codings string) (names []string, err error) {
	for c := range strings.SplitSeq(codings, ",") {
		switch c = strings.ToLower(strings.TrimSpace(c)); c {
		case "", "identity":
			continue
		case "gzip", "x-gzip", "deflate", "br", "zstd":
			names = append(names, c)
		default:
			return nil, fmt.Errorf("%w %q", ErrUnknown, c)
		}
		if len(names) > maxCodings {
			return nil, fmt.Errorf("%w: more than %d of them", ErrUnknown, maxCodings)
		}
	}
	return names, nil
}

// undo is r with one coding undone; done frees what that takes.
func undo(name string, r io.Reader) (out io.Reader, done func(), err error) {
	done = func() {}
	switch name {
	case "gzip", "x-gzip":
		out, err = gzip.NewReader(r)
	case "deflate":
		out, err = inflate(r)
	case "br":
		out = brotli.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			out, done = z, z.Close
		}
	}
	return out, done, err
}

// inflate takes zlib's format, which "deflate" names (RFC 9110, 8.4.1.2), and
// the bare DEFLATE that some servers send instead.
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 4<<10)
	head, err := b.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	return flate.NewReader(b), nil
}

// read reads at most limit bytes of r.
func read(r io.Reader, limit int) ([]byte, error) {
	var out bytes.Buffer
	n, err := out.ReadFrom(io.LimitReader(r, int64(limit)+1))
	switch {
	case n > int64(limit):
		return out.Bytes()[:limit], ErrCut
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = ErrCut
	}
	return out.Bytes(), err
}

// Enough is how many bytes of an encoded body have to be kept for limit bytes of
// what it decodes to: what cannot be compressed grows a little.
func Enough(limit int) int { return limit + limit>>6 + 1<<10 }
