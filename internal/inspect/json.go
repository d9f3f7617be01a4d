package inspect

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// jsonLines writes an object per line.
type jsonLines struct{}

// jsonPlace is where in the capture something is.
type jsonPlace struct {
	Kind      string `json:"kind"` // "message" or "gap"
	Time      string `json:"time"`
	Stream    int64  `json:"tcp_stream"`
	Direction string `json:"direction"`
	Offset    int64  `json:"offset"`
	Size      int64  `json:"size"`
}

type jsonMessage struct {
	jsonPlace
	Protocol string   `json:"protocol"`
	Message  string   `json:"message"`
	ID       uint32   `json:"id"`
	Text     string   `json:"text"`
	Flags    []string `json:"decode_flags"`
	Hex      string   `json:"hex,omitempty"`
	Unpacked string   `json:"unpacked,omitempty"` // what was done to the bytes before hex was read
}

type jsonGap struct {
	jsonPlace
	Packet  uint64 `json:"packet"`
	Snapped bool   `json:"snapped"` // cut by the capture's snapshot length
}

// jsonReasons says why the exchange of that span has its decode flags.
type jsonReasons struct {
	Kind    string          `json:"kind"`
	Span    json.RawMessage `json:"span"`
	Reasons []reason        `json:"reasons"`
}

func (jsonLines) message(b []byte, c *conn, m *message) []byte {
	names := []string{}
	m.Flags.Each(func(n string) { names = append(names, n) })
	return object(b, jsonMessage{
		place("message", c, m.At, m.Dir, m.Offset, m.Size), m.Protocol, m.Kind, m.Stream, m.Text, names, hex.EncodeToString(m.hex), m.Unpacked,
	})
}

func (jsonLines) gap(b []byte, c *conn, g *gap) []byte {
	return object(b, jsonGap{place("gap", c, g.at, g.dir, g.offset, g.n), g.packet, g.snapped})
}

func (jsonLines) notice(b []byte, n *event.Notice) []byte { return n.AppendJSON(b) }

func (jsonLines) exchange(b []byte, _ *conn, x *event.Exchange, why []reason) []byte {
	if why == nil {
		why = []reason{}
	}
	return object(b, jsonReasons{"explanation", x.AppendJSON(nil), why})
}

func place(kind string, c *conn, at int64, d event.Dir, offset, size int64) jsonPlace {
	return jsonPlace{kind, time.Unix(0, at).UTC().Format(time.RFC3339Nano), c.stream, d.String(), offset, size}
}

// object appends v as one line. What is made of texts and numbers has JSON.
func object(b []byte, v any) []byte {
	j, err := json.Marshal(v)
	if err != nil {
		return b
	}
	return append(append(b, j...), '\n')
}
