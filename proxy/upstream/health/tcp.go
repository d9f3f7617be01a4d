package health

import (
	"bytes"
	"context"
)

// TCP connects, says something, and waits for an answer.
type TCP struct {
	Send    []byte
	Receive [][]byte // to come in this order, with anything in between; none only connects
}

// Name is the kind of check.
func (c *TCP) Name() string { return "tcp" }

// Ask connects, or uses the connection that was kept.
func (c *TCP) Ask(ctx context.Context, l *Line) Answer {
	if len(c.Receive) == 0 {
		l.Close() // a new connection is what is asked for
	}
	return l.ask(ctx, func(context.Context) Answer {
		if len(c.Send) > 0 {
			if _, err := l.conn.Write(c.Send); err != nil {
				return failed(err)
			}
		}
		if len(c.Receive) == 0 {
			l.closeLater()
			return Answer{Why: "connected", Lag: -1}
		}
		return c.listen(l)
	})
}

// listen reads until all is there that should be.
func (c *TCP) listen(l *Line) Answer {
	var heard []byte
	b := make([]byte, 4<<10)
	for rest := c.Receive; ; {
		n, err := l.in.Read(b)
		heard = append(heard, b[:n]...)
		for len(rest) > 0 {
			at := bytes.Index(heard, rest[0])
			if at < 0 {
				break
			}
			heard, rest = heard[at+len(rest[0]):], rest[1:]
		}
		if len(rest) == 0 {
			return Answer{Why: "answered as it should", Lag: -1}
		}
		if err != nil {
			a := failed(err)
			if l.limit.N == 0 {
				a.Why = "what should come does not"
			}
			return a
		}
	}
}
