package reassembly

// A connection is in up to two lists at a time: that of the living or of the
// dead, and that of the waiting.
const (
	linkLive = iota
	linkWaiting
	numLinks
)

type link struct{ prev, next *Conn }

// list is a list of connections through their own links.
type list struct{ head, tail *Conn }

func (l *list) add(c *Conn, which int) {
	c.links[which] = link{prev: l.tail}
	if l.tail != nil {
		l.tail.links[which].next = c
	} else {
		l.head = c
	}
	l.tail = c
}

func (l *list) remove(c *Conn, which int) {
	at := c.links[which]
	if at.prev != nil {
		at.prev.links[which].next = at.next
	} else {
		l.head = at.next
	}
	if at.next != nil {
		at.next.links[which].prev = at.prev
	} else {
		l.tail = at.prev
	}
	c.links[which] = link{}
}

const (
	spareSize = 2 << 10 // bytes of a buffer that is used again: above an Ethernet's payload
	spareMost = 512
)

// spare keeps buffers for segments that wait.
type spare struct{ buffers [][]byte }

func (s *spare) copy(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if len(b) > spareSize {
		return append([]byte(nil), b...)
	}
	var to []byte
	if n := len(s.buffers); n > 0 {
		to, s.buffers = s.buffers[n-1], s.buffers[:n-1]
	} else {
		to = make([]byte, 0, spareSize)
	}
	return append(to[:0], b...)
}

func (s *spare) free(b []byte) {
	if cap(b) == spareSize && len(s.buffers) < spareMost {
		s.buffers = append(s.buffers, b)
	}
}
