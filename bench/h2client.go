package main

import (
	"bytes"
	"fmt"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Client asks for one answer after the other on a connection of HTTP/2, with
// as little as that takes.
type h2Client struct {
	net.Conn
	frames *http2.Framer
	block  []byte // of a request's fields, all literals
	body   []byte // nil for none
	stream uint32
	taken  uint32 // bytes of answers that the peer has not been told of
}

// askH2 greets a peer on c, whose requests will have these fields.
func askH2(c net.Conn, body []byte, fields ...hpack.HeaderField) (*h2Client, error) {
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range fields {
		f.Sensitive = true // so that it is a literal, the same for every request
		must(e.WriteField(f))
	}
	h := &h2Client{Conn: c, frames: http2.NewFramer(c, c), block: block.Bytes(), body: body, stream: 1}
	return h, h.frames.WriteSettings()
}

func (h *h2Client) once() error {
	if err := h.ask(); err != nil {
		return err
	}
	h.stream += 2
	for {
		f, err := h.frames.ReadFrame()
		if err != nil {
			return err
		}
		if over, err := h.take(f); over || err != nil {
			return err
		}
	}
}

func (h *h2Client) ask() error {
	err := h.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: h.stream, BlockFragment: h.block, EndStream: h.body == nil, EndHeaders: true})
	if err != nil || h.body == nil {
		return err
	}
	return h.frames.WriteData(h.stream, true, h.body)
}

// take handles a frame, and reports whether it is the last of the answer.
func (h *h2Client) take(f http2.Frame) (over bool, err error) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return false, h.frames.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return false, h.frames.WritePing(true, f.Data)
		}
	case *http2.RSTStreamFrame, *http2.GoAwayFrame:
		return false, fmt.Errorf("%v", f)
	case *http2.HeadersFrame:
		return f.StreamEnded(), nil
	case *http2.DataFrame:
		if h.taken += f.Length; h.taken >= 32<<10 {
			n := h.taken
			h.taken = 0
			return f.StreamEnded(), h.frames.WriteWindowUpdate(0, n)
		}
		return f.StreamEnded(), nil
	}
	return false, nil
}

func (h *h2Client) close() { h.Close() }

// getH2 asks for /1k.
func getH2(c net.Conn) (client, error) {
	return askH2(c, nil, hpack.HeaderField{Name: ":method", Value: "GET"}, hpack.HeaderField{Name: ":scheme", Value: "http"},
		hpack.HeaderField{Name: ":authority", Value: "shop.example"}, hpack.HeaderField{Name: ":path", Value: "/1k"})
}

// callH2 makes unary calls of gRPC with a message of 128 bytes.
func callH2(c net.Conn) (client, error) {
	return askH2(c, append([]byte{0, 0, 0, 0, 128}, body1k[:128]...), hpack.HeaderField{Name: ":method", Value: "POST"}, hpack.HeaderField{Name: ":scheme", Value: "http"},
		hpack.HeaderField{Name: ":authority", Value: "shop.example"}, hpack.HeaderField{Name: ":path", Value: "/bench.Echo/Unary"},
		hpack.HeaderField{Name: "content-type", Value: "application/grpc"}, hpack.HeaderField{Name: "te", Value: "trailers"})
}

// dialling has speak begin on connections to an address.
func dialling(speak func(net.Conn) (client, error)) func(string) (client, error) {
	return func(address string) (client, error) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return nil, err
		}
		return speak(c)
	}
}
