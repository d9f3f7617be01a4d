package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// httpTraffic is HTTP/1.1 keep-alive: GETs whose answers have bodies of these
// sizes in turn.
type httpTraffic struct {
	sizes []int
	head  bytes.Buffer
	body  []byte
}

// smallHTTP is what costs most per byte: exchanges of about 1.3 KiB. mixedHTTP
// has bodies up to 32 KiB.
func smallHTTP() traffic { return newHTTPTraffic(1 << 10) }
func mixedHTTP() traffic { return newHTTPTraffic(1<<10, 32<<10, 4<<10, 32<<10) }

func newHTTPTraffic(sizes ...int) traffic {
	return &httpTraffic{sizes: sizes, body: bytes.Repeat([]byte("b"), 32<<10)}
}

func (t *httpTraffic) port() int              { return 80 }
func (t *httpTraffic) open(int) (_, _ []byte) { return nil, nil }
func (t *httpTraffic) exchange(_, n int) (client, server []byte) {
	t.head.Reset()
	fmt.Fprintf(&t.head, "GET /cart/%d HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n", n)
	at, size := t.head.Len(), t.sizes[n/scriptConns%len(t.sizes)]
	fmt.Fprintf(&t.head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", size)
	t.head.Write(t.body[:size])
	return t.head.Bytes()[:at], t.head.Bytes()[at:]
}

// grpcTraffic is unary gRPC with messages of 128 bytes, one stream at a time
// on each connection, as a real client's fields compress.
type grpcTraffic struct {
	conns  [scriptConns]grpcConn
	packed []byte
}

type grpcConn struct {
	out    [2]bytes.Buffer
	framer [2]*http2.Framer
	fields [2]bytes.Buffer
	coder  [2]*hpack.Encoder
	stream uint32
}

func grpcCalls() traffic {
	t := &grpcTraffic{packed: append([]byte{0, 0, 0, 0, 128}, bytes.Repeat([]byte("x"), 128)...)}
	for i := range t.conns {
		c := &t.conns[i]
		c.stream = 1
		for d := range c.out {
			c.framer[d] = http2.NewFramer(&c.out[d], nil)
			c.coder[d] = hpack.NewEncoder(&c.fields[d])
		}
	}
	return t
}

func (t *grpcTraffic) port() int { return 50051 }

// must stands where writing to memory cannot fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (t *grpcTraffic) open(conn int) (client, server []byte) {
	c := &t.conns[conn]
	c.reset()
	c.out[0].WriteString(http2.ClientPreface)
	must(c.framer[0].WriteSettings())
	must(c.framer[1].WriteSettings())
	return c.out[0].Bytes(), c.out[1].Bytes()
}

func (t *grpcTraffic) exchange(conn, n int) (client, server []byte) {
	c := &t.conns[conn]
	c.reset()
	c.headers(0, false, ":method", "POST", ":scheme", "http", ":path", "/bench.Echo/Unary", ":authority", "shop.example:50051",
		"content-type", "application/grpc", "te", "trailers", "user-agent", "grpc-go/1.80.0", "grpc-timeout", "10S",
		"traceparent", fmt.Sprintf("00-4bf92f3577b34da6a3ce9%011x-00f067aa0ba902b7-01", n))
	must(c.framer[0].WriteData(c.stream, true, t.packed))
	c.headers(1, false, ":status", "200", "content-type", "application/grpc")
	must(c.framer[1].WriteData(c.stream, false, t.packed))
	c.headers(1, true, "grpc-status", "0", "grpc-message", "")
	c.stream += 2
	return c.out[0].Bytes(), c.out[1].Bytes()
}

func (c *grpcConn) reset() {
	c.out[0].Reset()
	c.out[1].Reset()
}

func (c *grpcConn) headers(d int, last bool, pairs ...string) {
	c.fields[d].Reset()
	for i := 0; i < len(pairs); i += 2 {
		must(c.coder[d].WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	must(c.framer[d].WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: c.fields[d].Bytes(), EndStream: last, EndHeaders: true}))
}

// mongoTraffic is what an application with a call-site comment sends: four
// finds of some documents to one insert.
type mongoTraffic struct {
	found int
	out   [2]bytes.Buffer
}

// mongoCommands find one document each, mongoLists ten: exchanges of some 600
// bytes, and of 3 KiB.
func mongoCommands() traffic { return &mongoTraffic{found: 1} }
func mongoLists() traffic    { return &mongoTraffic{found: 10} }

func (t *mongoTraffic) port() int              { return 27017 }
func (t *mongoTraffic) open(int) (_, _ []byte) { return nil, nil }

func (t *mongoTraffic) exchange(_, n int) (client, server []byte) {
	tail := bson.D{{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}}}, {Key: "$db", Value: "shop"}}
	comment := bson.E{Key: "comment", Value: `{"callingFunction":"Cart.load","hostname":"web-1"}`}
	line := bson.D{{Key: "_id", Value: int64(n)}, {Key: "user", Value: "u-1042"}, {Key: "state", Value: "open"}, {Key: "total", Value: 12.5}, {Key: "note", Value: string(body1k[:256])}}
	ask, answer := bson.D{{Key: "insert", Value: "orders"}, {Key: "documents", Value: bson.A{line}}, comment}, bson.D{{Key: "n", Value: int32(1)}, {Key: "ok", Value: 1.0}}
	if n/scriptConns%5 != 0 {
		ask = bson.D{{Key: "find", Value: "orders"}, {Key: "filter", Value: bson.D{{Key: "user", Value: "u-1042"}, {Key: "state", Value: "open"}}}, {Key: "limit", Value: int32(10)}, comment}
		answer = bson.D{{Key: "cursor", Value: bson.D{{Key: "firstBatch", Value: slices.Repeat(bson.A{line}, t.found)}, {Key: "id", Value: int64(0)}, {Key: "ns", Value: "shop.orders"}}}, {Key: "ok", Value: 1.0}}
	}
	t.message(0, int32(2*n+1), 0, append(ask, tail...))
	t.message(1, int32(2*n+2), int32(2*n+1), answer)
	return t.out[0].Bytes(), t.out[1].Bytes()
}

// message writes one OP_MSG with one section of kind 0.
func (t *mongoTraffic) message(d int, id, to int32, doc bson.D) {
	raw, err := bson.Marshal(doc)
	must(err)
	o := &t.out[d]
	o.Reset()
	head := [...]int32{int32(21 + len(raw)), id, to, 2013, 0}
	must(binary.Write(o, binary.LittleEndian, head))
	o.WriteByte(0)
	o.Write(raw)
}
