package health

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Line is how a check reaches a host. A check uses it alone.
type Line struct {
	Host  *upstream.Host
	Port  uint16 // in the place of the host's own; 0 for that
	Reuse bool   // keep the connection

	conn  *socket.Stream
	in    *bufio.Reader
	limit io.LimitedReader // under in: what one answer may be long
	two   *http.ClientConn // conn in HTTP/2, where that is spoken
	once  bool             // conn is not to be kept

	heard     bool // something came over conn
	old       bool // the host's server knows only MongoDB's old commands
	otherwise bool // it is to be asked once more, over a new connection, in another way
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 256 << 10

// ask asks by f over the kept connection, or a new one where there is none or
// it turns out to be over.
func (l *Line) ask(ctx context.Context, f func(ctx context.Context) Answer) Answer {
	for again := l.conn != nil; ; again = false {
		if err := l.open(ctx); err != nil {
			return failed(err)
		}
		free := l.bound(ctx)
		a := f(ctx)
		intact := free()
		if a.Outcome == Network && errors.Is(ctx.Err(), context.DeadlineExceeded) { // whatever that looked like
			a.Why = inTime
		}
		if a.Outcome == Network && (again || l.otherwise) && ctx.Err() == nil {
			l.otherwise = false
			l.Close()
			continue
		}
		if !l.Reuse || l.once || !intact || a.Outcome == Network {
			l.Close()
		}
		return a
	}
}

func (l *Line) open(ctx context.Context) (err error) {
	if l.conn != nil {
		l.limit.N = maxAnswer
		return nil
	}
	if l.conn, err = l.Host.Probe(ctx, l.Port); err != nil {
		return err
	}
	l.limit = io.LimitedReader{R: l.conn, N: maxAnswer}
	l.in = bufio.NewReaderSize(&l.limit, 1<<10)
	return nil
}

// bound has what is done over the connection end with ctx, until free, which
// reports whether the connection can still be used.
func (l *Line) bound(ctx context.Context) (free func() bool) {
	c := l.conn
	return context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // fails only when closed
}

// Close closes the connection, if there is one.
func (l *Line) Close() {
	if l.two != nil {
		_ = l.two.Close() // nobody is left to tell
	}
	if l.conn != nil {
		_ = l.conn.Close()
	}
	l.conn, l.in, l.two, l.once, l.heard = nil, nil, nil, false, false
}

// failed is the answer of a host that gave none.
func failed(err error) Answer { return Answer{Outcome: Network, Why: reason(err), Lag: -1} }

const inTime = "no answer in time"

// reason is err in words.
func reason(err error) string {
	var ne net.Error
	var told interface{ Reason() string }
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return inTime
	case errors.Is(err, context.Canceled):
		return "checks end"
	case errors.As(err, &told):
		return "TLS: " + told.Reason()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset"
	}
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxWhy)], "?")
}

// maxWhy bounds what is told of an error, in bytes.
const maxWhy = 200

// closeLater has the connection not be kept after the check that is under way.
func (l *Line) closeLater() { l.once = true }
