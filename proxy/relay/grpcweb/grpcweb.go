// Package grpcweb lets clients that speak gRPC-Web, browsers above all, call
// servers of gRPC: it stands between a client's codec and the exchange, which
// then sees a call of gRPC like any other. The form is that of the document
// PROTOCOL-WEB of gRPC: the trailers travel as a last frame of the body, and
// "-text" bodies are base64.
package grpcweb

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/relay"
)

const (
	native  = "application/grpc"
	web     = "application/grpc-web"
	webText = "application/grpc-web-text"
)

// trailerFlag marks the frame that holds trailers.
const trailerFlag = 0x80

// Client is a call of gRPC-Web that looks like one of gRPC.
type Client struct {
	relay.Client
	text   bool
	suffix []byte // of the content type: "+proto"
	kind   []byte // the content type that a server of gRPC gets

	in     decoder
	out    []byte
	answer http1.Head
	fields []http1.Field
}

// Wrap is c as a call of gRPC where it is one of gRPC-Web, else c itself.
func Wrap(c relay.Client) relay.Client {
	h := c.Request()
	suffix, text, ok := webType(h.Get("content-type"))
	if !ok || string(h.Method) != "POST" {
		return c
	}
	w := &Client{Client: c, text: text, suffix: bytes.Clone(suffix)}
	w.kind = append([]byte(native), w.suffix...)
	w.translate(h)
	return w
}

// webType takes a content type apart; suffix begins with "+" or ";", or is empty.
func webType(kind []byte) (suffix []byte, text, ok bool) {
	for _, t := range []string{webText, web} {
		if len(kind) >= len(t) && bytes.EqualFold(kind[:len(t)], []byte(t)) {
			suffix = kind[len(t):]
			return suffix, t == webText, len(suffix) == 0 || suffix[0] == '+' || suffix[0] == ';'
		}
	}
	return nil, false, false
}

var (
	teName, teValue = []byte("te"), []byte("trailers")
	contentType     = []byte("content-type")
)

// translate makes the request's head that of a call of gRPC.
func (c *Client) translate(h *http1.Head) {
	kept := h.Fields[:0]
	for _, f := range h.Fields {
		switch {
		case f.ID == http1.ContentLength, f.ID == http1.TE:
			continue
		case bytes.EqualFold(f.Name, contentType):
			f.Value = c.kind
		}
		kept = append(kept, f)
	}
	h.Fields = append(kept, http1.Field{Name: teName, Value: teValue, ID: http1.TE})
	if c.text || h.Framing == http1.NoBody {
		h.Framing, h.Length, h.ContentLength = http1.Chunked, 0, -1
	}
}

// Next is relay.Body's.
func (c *Client) Next() ([]byte, error) {
	if !c.text {
		return c.Client.Next()
	}
	for {
		b, err := c.Client.Next()
		if err == io.EOF {
			return nil, c.in.end()
		}
		if err != nil {
			return nil, err
		}
		if b, err = c.in.decode(b); err != nil || len(b) > 0 {
			return b, err
		}
	}
}

// Ready is relay.Body's. Of base64 only the end is known before it is decoded.
func (c *Client) Ready() (n int, end bool) {
	n, end = c.Client.Ready()
	if c.text && n > 0 {
		return 0, false
	}
	return n, end
}

// Trailers are none: gRPC-Web has none in requests.
func (c *Client) Trailers() []http1.Field { return nil }

// Answer is relay.Client's. An answer without a body has its status among the
// fields already, which gRPC-Web allows.
func (c *Client) Answer(h *http1.Head, end bool) error {
	kind := h.Get("content-type")
	if len(kind) < len(native) || !bytes.EqualFold(kind[:len(native)], []byte(native)) {
		return c.Client.Answer(h, end)
	}
	c.answer = *h
	c.fields = c.fields[:0]
	for _, f := range h.Fields {
		switch {
		case f.ID == http1.ContentLength, f.ID == http1.Trailer:
			continue
		case bytes.EqualFold(f.Name, contentType):
			f.Value = c.webKind(kind[len(native):])
		}
		c.fields = append(c.fields, f)
	}
	c.answer.Fields = c.fields
	if !end {
		c.answer.Framing, c.answer.Length, c.answer.ContentLength = http1.Chunked, 0, -1
	}
	return c.Client.Answer(&c.answer, end)
}

// webKind is the content type that the client gets.
func (c *Client) webKind(suffix []byte) []byte {
	t := web
	if c.text {
		t = webText
	}
	if len(suffix) == 0 {
		suffix = c.suffix
	}
	return append([]byte(t), suffix...)
}

// Write is relay.Client's.
func (c *Client) Write(b []byte) error {
	if !c.text {
		return c.Client.Write(b)
	}
	c.out = encode(c.out[:0], b)
	return c.Client.Write(c.out)
}

// Finish sends the trailers as the body's last frame.
func (c *Client) Finish(trailers []http1.Field) error {
	if err := c.Write(frame(trailers)); err != nil {
		return err
	}
	return c.Client.Finish(nil)
}

// frame is the trailers as a frame: a flag, the length in four bytes, lines of
// fields with lower-case names.
func frame(trailers []http1.Field) []byte {
	b := []byte{trailerFlag, 0, 0, 0, 0}
	for _, f := range trailers {
		b = append(b, bytes.ToLower(f.Name)...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-5))
	return b
}
