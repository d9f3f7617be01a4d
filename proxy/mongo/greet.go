package mongo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
)

// A further server is greeted as the client has greeted its home: what follows
// on both connections is said by one who knows the answer of one only. So the
// answer of the other must promise as much.

// Bounds of a greeting, in bytes.
const (
	mostHello   = 16 << 10 // of the client's; drivers say 512 at most of themselves
	mostWelcome = 64 << 10 // of the answer
)

// hello is a client's greeting.
type hello struct {
	again         []byte // the message as it is said to further servers; nil where it cannot be
	authenticates bool   // it begins to authenticate
	watches       bool   // it is a monitor's, who asks for what changes
}

// readHello reads a greeting, of which b is the whole message.
func readHello(b []byte) (h hello) {
	if len(b) > mostHello || len(b) < mongo.HeaderLen || mongo.Length(event.ToServer, b) != len(b) {
		return h
	}
	at := helloAt(b)
	doc := bson.First(b[min(at, len(b)):])
	if at == 0 || doc == nil {
		return h
	}
	again, ok := append([]byte(nil), b[:at]...), true
	if binary.LittleEndian.Uint32(b[12:]) == opMsg {
		clear(again[16:20]) // no checksum, one answer
	}
	again = append(again, 0, 0, 0, 0)
	for it := bson.Elements(doc); ; {
		e, there := it.Next()
		if !there {
			ok = ok && !it.Cut()
			break
		}
		switch string(e.Key) {
		case "speculativeAuthenticate":
			h.authenticates = true
		case "topologyVersion", "maxAwaitTimeMS":
			h.watches = true
		case "$query": // old, and not taken apart
			ok = false
		default:
			again = append(append(append(append(again, byte(e.Type)), e.Key...), 0), e.Value...)
		}
	}
	again = append(again, 0)
	binary.LittleEndian.PutUint32(again[at:], uint32(len(again)-at))
	if ok {
		h.again = finish(again)
	}
	return h
}

// helloAt is where the document of a command begins; 0 where that is not
// known.
func helloAt(b []byte) int {
	switch binary.LittleEndian.Uint32(b[12:]) {
	case opMsg:
		if len(b) > 20 && b[20] == 0 {
			return 21
		}
	case opQuery:
		if i := bytes.IndexByte(b[min(20, len(b)):], 0); i >= 0 {
			return 20 + i + 1 + 8
		}
	}
	return 0
}

// welcome is what a server's answer to a greeting promises.
type welcome struct {
	ok, primary, mongos bool
	minWire, maxWire    int64
	session             int64 // minutes; 0 for no sessions
	sizes               [3]int64
	compressors         string // each with a comma after it
}

// readWelcome reads an answer, of which b is the whole message. One that speaks
// no version at all is none.
func readWelcome(b []byte) (w welcome, ok bool) {
	at := 0
	if len(b) >= mongo.HeaderLen {
		switch binary.LittleEndian.Uint32(b[12:]) {
		case opMsg:
			at = 21
		case opReply:
			at = 36
		}
	}
	if at == 0 || len(b) < at || at == 21 && b[20] != 0 {
		return w, false
	}
	doc := bson.First(b[at:])
	if doc == nil {
		return w, false
	}
	for it := bson.Elements(doc); ; {
		e, there := it.Next()
		if !there {
			return w, !it.Cut() && w.minWire <= w.maxWire
		}
		w.field(e)
	}
}

func (w *welcome) field(e bson.Element) {
	v, _ := e.Int()
	switch string(e.Key) {
	case "ok":
		w.ok = v == 1
	case "isWritablePrimary", "ismaster":
		w.primary = w.primary || v == 1
	case "msg":
		t, _ := e.Text()
		w.mongos = string(t) == "isdbgrid"
	case "minWireVersion":
		w.minWire = v
	case "maxWireVersion":
		w.maxWire = v
	case "logicalSessionTimeoutMinutes":
		w.session = v
	case "maxBsonObjectSize":
		w.sizes[0] = v
	case "maxMessageSizeBytes":
		w.sizes[1] = v
	case "maxWriteBatchSize":
		w.sizes[2] = v
	case "compression":
		w.compressors = compressorsOf(e)
	}
}

// maxCompressors bounds how many are looked at.
const maxCompressors = 16

func compressorsOf(e bson.Element) string {
	if e.Type != bson.Array {
		return ""
	}
	var b []byte
	it := bson.Elements(e.Value)
	for range maxCompressors {
		e, ok := it.Next()
		if !ok {
			break
		}
		if s, ok := e.Text(); ok {
			b = append(append(b, s...), ',')
		}
	}
	return string(b)
}

// lacks says what another server lacks of what w promises; empty for nothing.
func (w *welcome) lacks(o *welcome) string {
	switch {
	case !o.ok:
		return "it refuses the greeting"
	case w.primary && !o.primary:
		return "it takes no writes"
	case w.mongos != o.mongos:
		return "one is a mongos, the other none"
	case o.maxWire < w.maxWire || o.minWire > w.maxWire:
		return fmt.Sprintf("it speaks wire versions %d to %d, and not %d", o.minWire, o.maxWire, w.maxWire)
	case w.session > 0 && o.session == 0:
		return "it has no sessions"
	}
	for i := range w.sizes {
		if o.sizes[i] < w.sizes[i] {
			return "it takes less at once"
		}
	}
	for b := []byte(w.compressors); len(b) > 0; {
		name, rest, _ := bytes.Cut(b, []byte{','})
		if !bytes.Contains([]byte(","+o.compressors), []byte(","+string(name)+",")) {
			return fmt.Sprintf("it has no compressor %q", name)
		}
		b = rest
	}
	return ""
}

// ErrUnlike says that a server promises less than a client's home does.
var ErrUnlike = errors.New("the server is not as the one that the client has greeted")

// Greet greets a further server as the client has greeted its home, and tells
// how many bytes went both ways. It fails with ErrUnlike, or with the error of
// rw.
func (c *Conn) Greet(rw io.ReadWriter) (sent, received int64, err error) {
	home := c.routed.home.Load()
	if home == nil {
		return 0, 0, nil // nobody has greeted anybody
	}
	if _, err := rw.Write(c.routed.hello.again); err != nil {
		return 0, 0, fmt.Errorf("mongo: greet: %w", err)
	}
	b, err := readAnswer(rw)
	sent, received = int64(len(c.routed.hello.again)), int64(len(b))
	if err != nil {
		return sent, received, fmt.Errorf("mongo: answer to a greeting: %w", err)
	}
	w, ok := readWelcome(b)
	if !ok {
		return sent, received, fmt.Errorf("mongo: the answer to a greeting is none: %w", ErrUnlike)
	}
	if what := home.lacks(&w); what != "" {
		return sent, received, fmt.Errorf("%w: %s", ErrUnlike, what)
	}
	return sent, received, nil
}

// readAnswer reads one message of a server.
func readAnswer(r io.Reader) ([]byte, error) {
	b := make([]byte, mongo.HeaderLen, 1<<10)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	n := mongo.Length(event.ToClient, b)
	if n == 0 || n > mostWelcome {
		return b, fmt.Errorf("no message of at most %d bytes: %w", mostWelcome, ErrUnlike)
	}
	b = append(b, make([]byte, n-len(b))...)
	_, err := io.ReadFull(r, b[mongo.HeaderLen:])
	return b, err
}
