package inspect

import (
	"fmt"
	"strconv"

	"github.com/pitot-io/pitot/internal/event"
)

// reason is why an exchange has a decode flag.
type reason struct {
	Flag string `json:"flag"`
	Why  string `json:"why"`
}

// why words the flags. A text may hold one %s, for where it comes from.
var why = map[event.DecodeFlags]func(c *conn, x *event.Exchange) string{
	event.MidStream:   (*conn).whyMidStream,
	event.RequestGap:  func(c *conn, x *event.Exchange) string { return c.whyGap(x, event.ToServer, "the request") },
	event.ResponseGap: func(c *conn, x *event.Exchange) string { return c.whyGap(x, event.ToClient, "the answer") },
	event.HPACKUnsure: func(c *conn, x *event.Exchange) string {
		return "fields refer to entries of a header table that was not seen being filled: " + c.cause(x, event.ToServer, event.ToClient)
	},
	event.BodyCut: func(c *conn, x *event.Exchange) string {
		return "a body ends before its length says: " + c.cause(x, event.ToServer, event.ToClient)
	},
	event.NoResponse: func(c *conn, x *event.Exchange) string { return "no answer was seen: " + c.cause(x, event.ToClient) },
	event.NoRequest: func(c *conn, x *event.Exchange) string {
		return "no request waits for this answer: " + c.cause(x, event.ToServer)
	},
	event.Reordered: func(*conn, *event.Exchange) string { return "its segments came out of order, and were put in order" },
	event.PacketClock: func(*conn, *event.Exchange) string {
		return "its times are those of the capture's packets"
	},
	event.Undecoded: func(_ *conn, x *event.Exchange) string {
		if x.Mongo != nil && x.Mongo.Compressor != "" {
			return "a message is compressed with " + x.Mongo.Compressor + " and could not be decompressed"
		}
		return "something in it is compressed and could not be decompressed"
	},
	event.Guessed: func(c *conn, x *event.Exchange) string {
		return "the protocol was recognised in the middle, not from its start: " + c.cause(x, 0, 1)
	},
	event.Redacted: func(*conn, *event.Exchange) string { return "secrets were taken out before it was told" },
	event.BadChecksum: func(*conn, *event.Exchange) string {
		return "a message carries a checksum that does not fit its bytes"
	},
	event.Truncated: func(c *conn, x *event.Exchange) string {
		return fmt.Sprintf("the capture's snapshot length cut %d packets of this connection so far%s", c.snapped, c.firstSnapped())
	},
}

// explain gives the reasons of x's flags, in order of their values.
func (c *conn) explain(x *event.Exchange) (all []reason) {
	x.Decode.Each(func(name string) {
		word := why[event.ParseDecodeFlag(name)]
		if word == nil {
			all = append(all, reason{name, ""})
			return
		}
		all = append(all, reason{name, word(c, x)})
	})
	return all
}

// place says where in the capture something is.
func (c *conn) place(at int64, packet uint64) string {
	return fmt.Sprintf("%s s, packet %d", strconv.FormatFloat(float64(at-c.in.clock.First())/1e9, 'f', 6, 64), packet)
}

func (c *conn) whyMidStream(*event.Exchange) string {
	if c.midStream {
		return fmt.Sprintf("the capture has no SYN of this connection: its first bytes are in packet %d", c.packet)
	}
	if len(c.gaps) > 0 {
		return "bytes were missing before its protocol was known: " + c.gaps[0].words(c)
	}
	return "what comes before it on these bytes was not understood"
}

// swapped reports whether x's decoder took the sides the other way round.
func (c *conn) swapped(x *event.Exchange) bool { return x.Client == c.server && x.Client != c.client }

// gapsOf calls do with x's gaps in direction d: those between its start and its
// end, else the last one before.
func (c *conn) gapsOf(x *event.Exchange, d event.Dir, do func(*gap)) {
	if c.swapped(x) {
		d = d.Other()
	}
	var before *gap
	found := false
	for i := range c.gaps {
		g := &c.gaps[i]
		switch {
		case g.dir != d || g.at > x.End:
		case g.at < x.Start:
			before = g
		default:
			found = true
			do(g)
		}
	}
	if !found && before != nil {
		do(before)
	}
}

const mostReasons = 4 // gaps that are named one by one

func (c *conn) whyGap(x *event.Exchange, d event.Dir, what string) string {
	n, text := 0, ""
	c.gapsOf(x, d, func(g *gap) {
		if n++; n <= mostReasons {
			text += "; " + g.words(c)
		}
	})
	switch {
	case n == 0 && c.more > 0:
		return fmt.Sprintf("bytes of %s are missing, at one of %d gaps", what, len(c.gaps)+c.more)
	case n == 0:
		return "bytes of " + what + " are missing"
	case n > mostReasons:
		text += fmt.Sprintf("; and %d more", n-mostReasons)
	}
	return "bytes of " + what + " are missing: " + text[2:]
}

func (g *gap) words(c *conn) string {
	n := strconv.FormatInt(g.n, 10) + " bytes"
	if g.n == 0 {
		n = "an unknown number of bytes"
	}
	by := "not in the capture"
	if g.snapped {
		by = "cut by the snapshot length"
	}
	return fmt.Sprintf("%s %s at byte %d %s (%s)", n, g.dir, g.offset, by, c.place(g.at, g.packet))
}

func (c *conn) firstSnapped() string {
	for i := range c.gaps {
		if g := &c.gaps[i]; g.snapped {
			return ", the first at " + c.place(g.at, g.packet)
		}
	}
	return ""
}

// cause is what was met in one of those directions, or on the connection, that
// can be at the bottom of a flag.
func (c *conn) cause(x *event.Exchange, in ...event.Dir) string {
	for _, d := range in {
		text := ""
		c.gapsOf(x, d, func(g *gap) {
			if text == "" {
				text = g.words(c)
			}
		})
		if text != "" {
			return text
		}
	}
	for i := len(c.notes) - 1; i >= 0; i-- {
		if n := &c.notes[i]; n.name == event.EventDecodeFailure && n.at <= x.End {
			return n.body + " (" + c.place(n.at, n.packet) + ")"
		}
	}
	if c.midStream {
		return "the capture joins the connection in the middle"
	}
	return "the connection, or the capture of it, ends at " + c.place(x.End, c.in.clock.Packet())
}

func parseStream(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return -1
	}
	return n
}
