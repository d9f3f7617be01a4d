package http2

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// stream is one stream and its exchange in the making, with the memory of its
// text.
type stream struct {
	id         uint32
	x          event.Exchange
	p          event.HTTP
	h2         event.H2
	text       []byte // what the request's part of x points into
	answerText []byte // what the answer's does

	prev, next *stream // in the order of opening

	requested bool    // the request's fields were seen
	early     bool    // an answer came before its request, which is yet to come
	answered  bool    // the final answer has begun
	guessed   bool    // answered by a section whose status is not known
	ended     [2]bool // END_STREAM came in that direction
	blind     [2]bool // it may have come unseen
	told      bool    // the exchange is told; only the tunnel inside goes on
	retained  bool    // request holds its fields

	last    int64 // time of its last byte
	resetAt int64 // when the client gave it up and it began to linger; else 0

	call    decode.Call   // of a layer; nil where none took it
	request *wire.Section // at most Limits.Text bytes of it; kept, where retained, until a layer has seen the answer
	tunnel  tunnel
	keep    *keep
}

// toldIDs is how many streams told a connection remembers where it might take
// a late frame for a new stream.
const toldIDs = 64

// streams are those of a connection that are open. Structures are used again
// and again.
type streams struct {
	open        map[uint32]*stream
	recent      *stream // open, and asked for or opened last; may be nil
	first, last *stream
	free        []*stream

	highest  uint32 // stream that the client opened
	from, to uint32 // streams of the client in [from, to) may be open though nobody saw it
	pushes   bool   // so may pushed ones
	told     [toldIDs]uint32
	next     int // in told
}

// maxFree is how many structures wait to be used again.
const maxFree = 64

func (s *streams) begin(mid bool) {
	s.open = make(map[uint32]*stream)
	if mid {
		s.blind()
	}
}

// blind notes that streams may have been opened unseen from now on, until the
// next one is seen.
func (s *streams) blind() {
	if s.to == 0 {
		s.from = s.highest + 1
	}
	s.to, s.pushes = ^uint32(0), true
}

// opened notes that the client opened stream id.
func (s *streams) opened(id uint32) {
	if s.to > id {
		s.to = id
	}
	s.highest = max(s.highest, id)
}

// unseen reports whether id, which is not open here, may be.
func (s *streams) unseen(id uint32) bool {
	if id&1 == 0 && !s.pushes || id&1 == 1 && (id < s.from || id >= s.to) || id == 0 {
		return false
	}
	for _, t := range s.told {
		if t == id {
			return false
		}
	}
	return true
}

// find is the open stream of that number, nil where there is none. Frames of one
// stream often come one after the other.
func (s *streams) find(id uint32) *stream {
	if x := s.recent; x != nil && x.id == id {
		return x
	}
	x := s.open[id]
	if x != nil {
		s.recent = x
	}
	return x
}

// add opens a stream, empty.
func (s *streams) add(id uint32) *stream {
	x := s.make()
	x.id = id
	x.prev = s.last
	if s.last != nil {
		s.last.next = x
	} else {
		s.first = x
	}
	s.last, s.recent = x, x
	s.open[id] = x
	return x
}

func (s *streams) make() *stream {
	n := len(s.free)
	if n == 0 {
		return new(stream)
	}
	x := s.free[n-1]
	s.free = s.free[:n-1]
	*x = stream{text: x.text[:0], answerText: x.answerText[:0], request: x.request}
	return x
}

// drop forgets a stream.
func (s *streams) drop(x *stream) {
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		s.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	} else {
		s.last = x.prev
	}
	delete(s.open, x.id)
	if s.recent == x {
		s.recent = nil
	}
	s.told[s.next] = x.id
	s.next = (s.next + 1) % toldIDs
	if len(s.free) < maxFree {
		s.free = append(s.free, x)
	}
}
