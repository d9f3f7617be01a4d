package hop

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"github.com/pitot-io/pitot/internal/event"
)

func newTraceID() (t event.TraceID) {
	binary.BigEndian.PutUint64(t[:8], rand.Uint64())
	binary.BigEndian.PutUint64(t[8:], rand.Uint64()|1)
	return t
}

func newSpanID() (s event.SpanID) {
	binary.BigEndian.PutUint64(s[:], rand.Uint64()|1)
	return s
}

// appendUUID adds a random UUID (RFC 9562, 5.4: version 4).
func appendUUID(b []byte) []byte {
	var u [16]byte
	binary.BigEndian.PutUint64(u[:8], rand.Uint64())
	binary.BigEndian.PutUint64(u[8:], rand.Uint64())
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	for i, cut := range [...]int{0, 4, 6, 8, 10} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, u[cut:[...]int{4, 6, 8, 10, 16}[i]])
	}
	return b
}

// appendTraceparent adds the W3C form of where a call comes from.
func appendTraceparent(b []byte, t event.TraceID, s event.SpanID, flags byte) []byte {
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, t[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, s[:])
	b = append(b, '-')
	return hex.AppendEncode(b, []byte{flags})
}

// sampled is a traceparent's flag that somebody may have recorded the trace.
const sampled = 1

// traceFlags are the flags of a valid traceparent that are to be passed on.
func traceFlags(traceparent []byte) byte {
	if len(traceparent) < 55 {
		return sampled
	}
	var f [1]byte
	if _, err := hex.Decode(f[:], traceparent[53:55]); err != nil {
		return sampled
	}
	return f[0] & (sampled | 2) // 2: the trace id is random (W3C level 2)
}
