package tap

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/internal/event"
)

// RandomIDs makes ids for live traffic.
type RandomIDs struct{}

// Fill gives x the ids it lacks.
func (RandomIDs) Fill(x *event.Exchange, _ uint64) {
	if x.TraceID.IsZero() {
		binary.BigEndian.PutUint64(x.TraceID[:8], rand.Uint64())
		binary.BigEndian.PutUint64(x.TraceID[8:], rand.Uint64()|1)
	}
	if x.SpanID.IsZero() {
		binary.BigEndian.PutUint64(x.SpanID[:], rand.Uint64()|1)
	}
}

// DerivedIDs makes ids out of what a capture says, so that the same capture
// gives the same ids every time.
type DerivedIDs struct{}

// Fill gives x the ids it lacks: hashes of the connection, its number, the
// start and the place of the exchange on the connection.
func (DerivedIDs) Fill(x *event.Exchange, ordinal uint64) {
	var buf [96]byte
	b := event.AppendAddr(buf[:0], x.Client)
	b = append(b, '>')
	b = event.AppendAddr(b, x.Server)
	b = binary.BigEndian.AppendUint64(b, uint64(x.Start))
	b = binary.BigEndian.AppendUint64(b, uint64(x.Stream))
	b = binary.BigEndian.AppendUint64(b, ordinal)
	hash := func(salt byte) uint64 { return xxhash.Sum64(append(b, salt)) | 1 }
	if x.TraceID.IsZero() {
		binary.BigEndian.PutUint64(x.TraceID[:8], hash(1))
		binary.BigEndian.PutUint64(x.TraceID[8:], hash(2))
	}
	if x.SpanID.IsZero() {
		binary.BigEndian.PutUint64(x.SpanID[:], hash(3))
	}
}
