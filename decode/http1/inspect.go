package http1

import (
	"fmt"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// inspectHead tells the message whose head, n bytes long, has been read; e is
// what it belongs to, nil when nobody knows.
func (t *conn) inspectHead(d event.Dir, e *entry, n int) {
	if t.c.Inspect == nil {
		return
	}
	h := &t.half[d]
	m := decode.Message{Dir: d, At: h.last, Offset: h.start, Size: int64(n), Protocol: "http1", Kind: "request"}
	if d == event.ToServer {
		m.Text = requestText(&e.p, &h.head)
	} else {
		m.Kind, m.Text = "response", fmt.Sprintf("HTTP/1.%d %d %s, %s", h.head.Minor, h.head.Status, printable(h.head.Reason), h.head.bodyText())
	}
	t.c.Inspect(&m)
}

func requestText(p *event.HTTP, h *Head) string {
	target := p.Path
	if h.Form == Authority {
		target = string(printable(h.Target))
	}
	if h.HasQuery {
		target += "?" + p.Query
	}
	return fmt.Sprintf("%s %s HTTP/1.%d, host %s, %s", p.Method, printable([]byte(target)), h.Minor, printable([]byte(p.Host)), h.bodyText())
}

// bodyText says how the body's end is found.
func (h *Head) bodyText() string {
	switch h.Framing {
	case Length:
		return fmt.Sprintf("body of %d bytes", h.Length)
	case Chunked:
		return "body in chunks"
	case UntilClose:
		return "body until the end"
	}
	return "no body"
}

// printable is text without control characters.
func printable(b []byte) []byte {
	out := append([]byte(nil), b...)
	for i, c := range out {
		if c < ' ' || c == 0x7f {
			out[i] = '?'
		}
	}
	return out
}

// inspectBody tells the body that ends in direction d, if there was one.
func (t *conn) inspectBody(d event.Dir) {
	h := &t.half[d]
	if t.c.Inspect == nil || h.state != inBody || h.pos == h.bodyAt {
		return
	}
	m := decode.Message{Dir: d, At: h.last, Offset: h.bodyAt, Size: h.pos - h.bodyAt, Protocol: "http1", Kind: "body"}
	m.Text = fmt.Sprintf("%d bytes", h.body.Payload)
	if h.body.framing == Chunked {
		m.Text += fmt.Sprintf(" in %d chunks", h.body.Chunks)
	}
	if h.cur != nil {
		m.Flags = h.cur.x.Decode & (gapFlag(d) | event.BodyCut)
	}
	t.c.Inspect(&m)
}
