package minimongo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// compressorID is the number of a compressor in OP_COMPRESSED.
type compressorID int

const (
	noCompressor compressorID = -1
	noop         compressorID = 0
	snappyID     compressorID = 1
	zlibID       compressorID = 2
	zstdID       compressorID = 3
)

// codecs are the compressors a server offers. They may be used from any goroutine.
type codecs struct {
	names []string
	enc   *zstd.Encoder
	dec   *zstd.Decoder
}

func newCodecs(names []string) (*codecs, error) {
	for _, n := range names {
		if !slices.Contains([]string{"snappy", "zlib", "zstd"}, n) {
			return nil, fmt.Errorf("minimongo: compressor %q is not one of snappy, zlib, zstd", n)
		}
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, fmt.Errorf("minimongo: zstd: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxMessage))
	if err != nil {
		return nil, fmt.Errorf("minimongo: zstd: %w", err)
	}
	return &codecs{names: names, enc: enc, dec: dec}, nil
}

func (c *codecs) close() {
	c.dec.Close()
	c.enc.Close()
}

// negotiate answers the compressors a client named in hello: those both know, in the client's order.
func (c *codecs) negotiate(client []string) []string {
	var out []string
	for _, n := range client {
		if slices.Contains(c.names, n) {
			out = append(out, n)
		}
	}
	return out
}

// inflate replaces an OP_COMPRESSED message by the one inside: original opcode, size, compressor, data.
func (m message) inflate(c *codecs) (message, error) {
	if len(m.body) < 9 {
		return m, fmt.Errorf("%w: OP_COMPRESSED of %d bytes", errWire, len(m.body))
	}
	size := int64(int32(binary.LittleEndian.Uint32(m.body[4:])))
	if size < 0 || size > maxMessage-headerLen {
		return m, fmt.Errorf("%w: OP_COMPRESSED of %d bytes when inflated", errWire, size)
	}
	m.code = int32(binary.LittleEndian.Uint32(m.body))
	m.compressor = compressorID(m.body[8])
	body, err := c.decompress(m.compressor, m.body[9:], size)
	if err != nil {
		return m, fmt.Errorf("%w: OP_COMPRESSED: %w", errWire, err)
	}
	if int64(len(body)) != size {
		return m, fmt.Errorf("%w: OP_COMPRESSED says %d bytes and holds %d", errWire, size, len(body))
	}
	m.body = body
	return m, nil
}

func (c *codecs) decompress(id compressorID, b []byte, size int64) ([]byte, error) {
	switch id {
	case noop:
		return b, nil
	case snappyID:
		if n, err := snappy.DecodedLen(b); err != nil || int64(n) != size {
			return nil, fmt.Errorf("snappy holds %d bytes, header says %d: %w", n, size, snappy.ErrCorrupt)
		}
		return snappy.Decode(nil, b)
	case zlibID:
		r, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(io.LimitReader(r, size+1))
	case zstdID:
		return c.dec.DecodeAll(b, nil)
	}
	return nil, fmt.Errorf("compressor %d is not known", id)
}

// deflate turns a plain message into OP_COMPRESSED.
func (c *codecs) deflate(id compressorID, plain []byte) ([]byte, error) {
	out := append([]byte(nil), plain[:headerLen]...)
	binary.LittleEndian.PutUint32(out[12:], uint32(opCompressed))
	out = append(out, plain[12:16]...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(plain)-headerLen))
	out = append(out, byte(id))
	out, err := c.compress(id, out, plain[headerLen:])
	if err != nil {
		return nil, fmt.Errorf("minimongo: compress: %w", err)
	}
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out, nil
}

func (c *codecs) compress(id compressorID, dst, b []byte) ([]byte, error) {
	switch id {
	case snappyID:
		return append(dst, snappy.Encode(nil, b)...), nil
	case zlibID:
		buf := bytes.NewBuffer(dst)
		w := zlib.NewWriter(buf)
		if _, err := w.Write(b); err != nil {
			return nil, err
		}
		err := w.Close()
		return buf.Bytes(), err
	case zstdID:
		return c.enc.EncodeAll(b, dst), nil
	}
	return append(dst, b...), nil
}
