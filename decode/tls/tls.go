package tls

import (
	"sync"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Options of the protocol. The zero value has the defaults and decrypts
// nothing.
type Options struct {
	// Keys are the secrets that are known; nil: none.
	Keys *Keys

	Held   int   // bytes of encrypted records of one direction that wait for the other side's hello; 0 means 64 KiB
	Search int   // sequence numbers that are tried for a record after a gap; 0 means 1024
	Effort int64 // bytes of a connection that may be deciphered in vain; 0 means 64 MiB
}

func (o Options) withDefaults() Options {
	if o.Held <= 0 {
		o.Held = 64 << 10
	}
	if o.Search <= 0 {
		o.Search = 1024
	}
	if o.Effort <= 0 {
		o.Effort = 64 << 20
	}
	return o
}

// Protocol is TLS for the list of protocols.
func Protocol(o Options) decode.Protocol {
	s := &shared{Options: o.withDefaults()}
	s.buffers.New = func() any { b := make([]byte, 0, maxRecord); return &b }
	return decode.Protocol{
		Name:   "tls",
		Detect: Detect,
		New:    func(c decode.Conn) decode.Decoder { return newConn(c, s) },
	}
}

// shared is what the connections of one Protocol have in common. A connection
// holds a buffer only while it is amid a record.
type shared struct {
	Options
	buffers sync.Pool // of *[]byte with room for a record
}

func (s *shared) buffer() *[]byte { return s.buffers.Get().(*[]byte) }

func (s *shared) free(b *[]byte) {
	*b = (*b)[:0]
	s.buffers.Put(b)
}

// Detect tells TLS by a hello at the start, also one in the form of SSL 2.0, or
// (a connection joined late) by a chain of encrypted records.
func Detect(d event.Dir, b []byte) decode.Verdict {
	if d == event.ToServer && len(b) > 0 && b[0]&0x80 != 0 {
		return detectV2(b)
	}
	switch n, ok := recordLength(b); {
	case !ok:
		return decode.No
	case len(b) < headerLen:
		return decode.Maybe
	case b[0] == typeHandshake:
		return detectHello(d, b, n)
	case b[0] == typeData && n >= minSealed:
		return detectChain(b, n)
	}
	return decode.No
}

// detectHello wants the hello of direction d, of plausible length, at the
// start of a handshake record. Its message may go on in records to come.
func detectHello(d event.Dir, b []byte, n int) decode.Verdict {
	kind, least := byte(kindClientHello), 38
	if d == event.ToClient {
		kind = kindServerHello
	}
	switch {
	case len(b) == headerLen:
		return decode.Maybe
	case b[headerLen] != kind:
		return decode.No
	case n < 4:
		return decode.Yes
	case len(b) < headerLen+4:
		return decode.Maybe
	}
	if size := int(b[6])<<16 | int(b[7])<<8 | int(b[8]); size < least || size > 1<<17 {
		return decode.No
	}
	return decode.Yes
}

// detectChain wants the next header where the record ends, if that was seen.
func detectChain(b []byte, n int) decode.Verdict {
	if len(b) <= headerLen+n {
		return decode.Yes
	}
	if _, ok := recordLength(b[headerLen+n:]); ok {
		return decode.Yes
	}
	return decode.No
}

// detectV2 wants a ClientHello in the form of SSL 2.0 (RFC 5246, E.2) that
// offers SSL 3.0 or later.
func detectV2(b []byte) decode.Verdict {
	switch {
	case len(b) >= 3 && b[2] != kindClientHello, len(b) >= 4 && b[3] != 3, len(b) >= 5 && b[4] > 4:
		return decode.No
	case len(b) < v2HelloLen:
		return decode.Maybe
	}
	if _, ok := parseV2Hello(b, true); !ok {
		return decode.No
	}
	return decode.Yes
}
