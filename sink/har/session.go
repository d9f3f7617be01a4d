package har

import (
	"encoding/base64"
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

type (
	// session is what a WebSocket session came to, whether or not its messages
	// are there.
	session struct {
		Sent          int64  `json:"sent"` // messages of the client
		Received      int64  `json:"received"`
		SentBytes     int64  `json:"sentBytes"` // of payload, as transferred
		ReceivedBytes int64  `json:"receivedBytes"`
		CloseCode     uint16 `json:"closeCode,omitempty"`
		Left          int64  `json:"left,omitempty"` // messages beyond those that were kept
	}
	// frame is a message.
	frame struct {
		Type   string  `json:"type"` // "send" or "receive", as the browser sees it
		Time   float64 `json:"time"` // seconds since the Unix epoch
		Opcode int     `json:"opcode"`
		Data   string  `json:"data"` // text; of a binary message base64
		Cut    bool    `json:"_cut,omitempty"`
	}
	// handshake names a session by the exchange that began it.
	handshake struct {
		stream int64
		span   event.SpanID
	}
)

// maxOpen is how many handshakes wait for their sessions; the oldest is written
// without it.
const maxOpen = 4096

// handshake lets an entry wait for its session.
func (s *Sink) handshake(x *event.Exchange) {
	h := handshake{x.Stream, x.SpanID}
	s.open[h] = entryOf(x)
	if s.opened = append(s.opened, h); len(s.opened) > maxOpen {
		s.ended(s.opened[0])
		s.opened = s.opened[1:]
	}
}

// ended writes the entry of a handshake that was not written yet.
func (s *Sink) ended(h handshake) {
	if e := s.open[h]; e != nil {
		delete(s.open, h)
		s.entry(e)
	}
}

// session writes the entry of x's handshake; where that is not there, as it did
// not fit a filter, one is made of what the session knows of it.
func (s *Sink) session(x *event.Exchange) {
	h := handshake{x.Stream, x.ParentID}
	e := s.open[h]
	if e == nil {
		if x.HTTP.Method == "" {
			return
		}
		e = entryOf(x)
	}
	delete(s.open, h)
	w := x.WebSocket
	e.Session = &session{
		Sent: w.ClientMessages, Received: w.ServerMessages, SentBytes: w.ClientPayload, ReceivedBytes: w.ServerPayload, CloseCode: w.CloseCode,
	}
	if len(w.Messages) > 0 {
		e.Session.Left = w.ClientMessages + w.ServerMessages - int64(len(w.Messages))
	}
	for i := range w.Messages {
		e.Messages = append(e.Messages, frameOf(&w.Messages[i]))
	}
	s.entry(e)
}

func frameOf(m *event.WSMessage) frame {
	f := frame{Type: "receive", Time: float64(m.Time/1000) / 1e6, Opcode: 1, Data: m.Data, Cut: m.Cut}
	if m.Dir == event.ToServer {
		f.Type = "send"
	}
	if m.Binary {
		f.Opcode, f.Data = 2, base64.StdEncoding.EncodeToString([]byte(m.Data))
		return f
	}
	f.Data = strings.ToValidUTF8(f.Data, "\ufffd")
	return f
}
