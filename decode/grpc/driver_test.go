package grpc

import (
	"encoding/binary"
	"strings"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// block is a header or trailer section: "name: value" lines.
type block string

func (b block) Field(name string) (string, bool) {
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+": "); ok {
			return v, true
		}
	}
	return "", false
}

const (
	post = block(":method: POST\n:path: /shop.Cart/Get\ncontent-type: application/grpc\n")
	ok   = block(":status: 200\ncontent-type: application/grpc\n")
	fine = block("grpc-status: 0\n")
)

// exchange is a scripted one: what HTTP's decoder would show of it.
type exchange struct {
	request, answer, trailers block
	in, out                   string // bodies
	reset                     bool   // ended by a reset: neither answer's end nor trailers
}

// play shows e to the layer as HTTP/2 would, its bodies cut by cut (length of
// what is left: length of the next piece).
func play(l *Layer, c *decode.Conn, e *exchange, cut func(rest int) int) *event.Batch {
	x := event.Exchange{
		Kind: event.Server, Protocol: event.HTTP2, Name: "POST /shop.Cart/Get", Start: 1, End: 9,
		HTTP: &event.HTTP{Method: "POST", Version: "2", StatusCode: 200, ResponseBody: int64(len(e.out))}, HTTP2: &event.H2{StreamID: 1},
	}
	b := new(event.Batch)
	k := l.Open(c, asFields(e.request), nil)
	if k != nil {
		feed(k, event.ToServer, e.in, cut)
	}
	if e.answer != "" {
		if k == nil {
			k = l.Open(c, asFields(e.request), e.answer)
		} else {
			k.Answer(lent(e.answer))
		}
	}
	if k == nil {
		b.Exchange(&x)
		return b
	}
	feed(k, event.ToClient, e.out, cut)
	if e.trailers != "" {
		k.Trailers(event.ToClient, lent(e.trailers))
	}
	if x.HTTP.Path = path(e.request); e.reset {
		x.Status, x.ErrorType = event.Error, "CANCEL"
	}
	k.Finish(&x)
	b.Exchange(&x)
	k.Told()
	return b
}

func path(b block) string {
	p, _ := b.Field(":path")
	return p
}

func asFields(b block) decode.Fields {
	if b == "" {
		return nil
	}
	return lent(b)
}

// lent is a block whose values are overwritten when the next is asked for.
func lent(b block) decode.Fields { return &lender{block: b} }

type lender struct {
	block
	last []byte
}

func (l *lender) Field(name string) (string, bool) {
	for i := range l.last {
		l.last[i] = '#'
	}
	v, ok := l.block.Field(name)
	l.last = []byte(v)
	return decode.View(l.last), ok
}

func feed(k decode.Call, d event.Dir, body string, cut func(rest int) int) {
	for len(body) > 0 {
		n := min(cut(len(body)), len(body))
		piece := []byte(body[:n])
		k.Data(d, 5, piece)
		for i := range piece {
			piece[i] = 0xAA
		}
		body = body[n:]
	}
}

func whole(rest int) int { return rest }

// msg is a message with its prefix.
func msg(payload string) string { return flagged(0, payload) }

func flagged(flags byte, payload string) string {
	b := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(payload)))
	return string(b) + payload
}

func conn() *decode.Conn { return &decode.Conn{Limits: decode.DefaultLimits()} }

// lines of JSON of all exchanges.
func jsonOf(b *event.Batch) string {
	var out []byte
	for i := range b.Exchanges {
		out = b.Exchanges[i].AppendJSON(out)
	}
	return string(out)
}
