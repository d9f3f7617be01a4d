package store

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// decoded unwraps a body by its Content-Encoding.
func decoded(body io.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(body)
		if err != nil {
			return nil, badData("request body is not gzip: " + err.Error())
		}
		return r, nil
	case "deflate":
		r, err := zlib.NewReader(body)
		if err != nil {
			return nil, badData("request body is not deflate (zlib): " + err.Error())
		}
		return r, nil
	case "br":
		return brotli.NewReader(body), nil
	case "zstd":
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, badData("request body is not zstd: " + err.Error())
		}
		return r.IOReadCloser(), nil
	case "lz4":
		return lz4.NewReader(body), nil
	}
	return nil, notImplemented("Unknown compression method: " + encoding + " (known: gzip, deflate, br, zstd, lz4)")
}

// encoded picks the first known method of Accept-Encoding and wraps out. Closing ends the encoding, not out.
func encoded(out io.Writer, accept string) (method string, w io.WriteCloser) {
	for part := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), ";")
		if strings.ReplaceAll(params, " ", "") == "q=0" {
			continue
		}
		switch name = strings.TrimSpace(name); name {
		case "gzip":
			return name, gzip.NewWriter(out)
		case "deflate":
			return name, zlib.NewWriter(out)
		case "br":
			return name, brotli.NewWriterLevel(out, 3)
		case "zstd":
			if z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)); err == nil {
				return name, z
			}
		case "lz4":
			return name, lz4.NewWriter(out)
		}
	}
	return "", nopCloser{out}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// frames reads ClickHouse's native compressed frames (decompress=1) and turns a clean end of input into io.EOF. An error, the end
// included, is its last word: asked again, the reader below would give the last frame a second time.
type frames struct {
	r   *compress.Reader
	err error
}

func newFrames(r io.Reader) *frames { return &frames{r: compress.NewReader(bufio.NewReader(r))} }

func (f *frames) Read(p []byte) (n int, err error) {
	if f.err == nil {
		n, err = f.r.Read(p)
		f.err = frameError(err)
	}
	return n, f.err
}

func frameError(err error) error {
	var e *Exception
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badData("compressed frame is cut short")
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return badData("compressed frame: " + err.Error())
}

// frameWriter writes native compressed frames (compress=1) of at most frameSize bytes of data.
type frameWriter struct {
	out io.Writer
	z   *compress.Writer
	buf []byte
}

const frameSize = 1 << 20

// newFrameWriter takes the method of network_compression_method: LZ4 (the default), ZSTD or NONE.
func newFrameWriter(out io.Writer, method, level string) *frameWriter {
	m := compress.LZ4
	switch strings.ToUpper(method) {
	case "ZSTD":
		m = compress.ZSTD
	case "NONE":
		m = compress.None
	}
	n, _ := strconv.Atoi(level)
	return &frameWriter{out: out, z: compress.NewWriter(compress.Level(max(n, 0)), m)}
}

func (w *frameWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), frameSize-len(w.buf))
		w.buf, p = append(w.buf, p[:k]...), p[k:]
		if len(w.buf) == frameSize {
			if err := w.Close(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// Close writes what is buffered as the last frame.
func (w *frameWriter) Close() error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := w.z.Compress(w.buf); err != nil {
		return err
	}
	w.buf = w.buf[:0]
	_, err := w.out.Write(w.z.Data)
	return err
}

// bounded fails a read past n bytes, where io.LimitReader would end quietly.
type bounded struct {
	r io.Reader
	n int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.n+1 {
		p = p[:b.n+1]
	}
	n, err := b.r.Read(p)
	if b.n -= int64(n); b.n < 0 {
		return 0, tooLarge("request body is larger than this store takes; send it in parts")
	}
	return n, err
}

// acceptsEncoding is what the client accepts, unless it switched response encoding off.
func acceptsEncoding(r *http.Request, setting string) string {
	if setting == "0" {
		return ""
	}
	return r.Header.Get("Accept-Encoding")
}
