package proxy

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// auto finds out from a connection's first bytes what is spoken, and hands it
// to that protocol's server. Bytes and time are bounded; what stays undecided
// is forwarded as it is.
//
// A client that says nothing within the detect timeout either waits for the
// server to speak first, or has connected ahead of its first request. So the
// upstream is connected then, and whoever speaks first decides: the client's
// bytes are looked at as before, the server's make it a plain TCP connection.
type auto struct {
	Setup
	byName  map[string]Handler // of servers, by the name of a decode.Protocol
	others  map[string]*passthrough
	watched *passthrough // not decided: the decoder finds out
	opaque  *passthrough // nobody's
}

func newAuto(s Setup) (Handler, error) {
	a := &auto{Setup: s, byName: map[string]Handler{}, others: map[string]*passthrough{}, watched: newWatched(s), opaque: newPassthrough(s, nil)}
	for _, p := range s.Protocols {
		h, err := serverOf(s, p.Name)
		if err != nil {
			return nil, err
		}
		switch {
		case p.Name == "http2" && a.byName["http1"] != nil:
			a.byName[p.Name] = a.byName["http1"] // it serves both
		case h != nil:
			a.byName[p.Name] = h
		case p.Name == "tls" && namesTLS(s.Listener):
			a.byName[p.Name] = newBySNI(s, p.New)
		default:
			a.others[p.Name] = newPassthrough(s, p.New)
		}
	}
	return a, nil
}

// serverOf makes the handler for a decoder's protocol, nil where there is none.
func serverOf(s Setup, protocol string) (Handler, error) {
	for _, p := range servers() {
		if p.speaks == protocol {
			return p.make(s)
		}
	}
	return nil, nil
}

func (a *auto) Serve(ctx context.Context, c *socket.Stream, first []byte, info ConnInfo, done func()) {
	if h := a.agreed(c); h != nil {
		h.Serve(ctx, c, first, info, done)
		return
	}
	first, found, err := a.detect(c, first, time.Now().Add(a.Listener.Timeouts.Detect))
	switch {
	case err == nil:
		a.handler(found, first).Serve(ctx, c, first, info, done)
	case len(first) > 0: // no more came in time, or ever
		a.Stats.DetectTimeout.Add(1)
		a.watched.Serve(ctx, c, first, info, done)
	case errors.Is(err, os.ErrDeadlineExceeded):
		a.Stats.DetectTimeout.Add(1)
		a.late(ctx, c, info, done)
	default: // the client went without a word
		done()
	}
}

// agreed is who serves what client and proxy have agreed on in TLS (RFC 7301).
func (a *auto) agreed(c *socket.Stream) Handler {
	if c.TLS == nil {
		return nil
	}
	switch c.TLS.ConnectionState().NegotiatedProtocol {
	case "h2", "http/1.1":
		return a.byName["http1"] // it serves both
	}
	return nil
}

// handler is who serves a protocol whose first bytes have come; nil is one that
// nobody knows. HTTP/0.9 has no server here and is passed on as it is.
func (a *auto) handler(p *decode.Protocol, first []byte) Handler {
	switch {
	case p == nil:
		return a.opaque
	case http1.Simple(first):
		return a.watched
	}
	if h := a.byName[p.Name]; h != nil {
		return h
	}
	return a.others[p.Name]
}

// detect reads until the client's first bytes are somebody's, or nobody's
// (nil). It gives what has been read also when it fails: with
// os.ErrDeadlineExceeded when the time is over.
func (a *auto) detect(c *socket.Stream, first []byte, deadline time.Time) ([]byte, *decode.Protocol, error) {
	buf := a.buffers.get()
	defer a.buffers.put(buf)
	room := buf[:decode.DefaultLimits().Detect]
	n := copy(room, first)
	_ = c.SetReadDeadline(deadline)
	defer c.SetReadDeadline(time.Time{})
	for {
		if n > 0 {
			if p, more := look(a.Protocols, event.ToServer, room[:n]); !more || n == len(room) {
				return clone(room[:n]), p, nil
			}
		}
		m, err := c.Read(room[n:])
		n += m
		if err != nil && m == 0 {
			return clone(room[:n]), nil, err
		}
	}
}

// look asks every protocol about a connection's first bytes in direction d.
// more reports whether further bytes could change the answer.
func look(all []decode.Protocol, d event.Dir, b []byte) (found *decode.Protocol, more bool) {
	for i := range all {
		switch all[i].Detect(d, b) {
		case decode.Yes:
			return &all[i], false
		case decode.Maybe:
			more = true
		}
	}
	return nil, more
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

// late goes on with a client that has said nothing for so long.
func (a *auto) late(ctx context.Context, c *socket.Stream, info ConnInfo, done func()) {
	var host *upstream.Host
	var up *upstream.Conn
	var err error
	elsewhere(func() { host, up, err = a.opaque.connect(ctx, info) })
	if err != nil {
		a.opaque.refuse(c, info, host, err)
		done()
		return
	}
	client, said := spokeFirst(c, up, a.Listener.Timeouts.Idle)
	if !client {
		a.opaque.joinBoth(c, up, nil, said, info, done)
		return
	}
	first, found, err := a.detect(c, nil, time.Now().Add(a.Listener.Timeouts.Detect))
	if err != nil {
		a.watched.joinBoth(c, up, first, said, info, done)
		return
	}
	switch h := a.handler(found, first).(type) {
	case *passthrough:
		h.joinBoth(c, up, first, said, info, done)
	default: // one that makes its own upstream connections
		_ = up.Close()
		a.opaque.over(host)
		h.Serve(ctx, c, first, info, done)
	}
}

// elsewhere runs f in a goroutine of its own and waits for it. Connecting needs
// several times the stack that waiting does, and its goroutine would keep it.
func elsewhere(f func()) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		f()
	}()
	<-over
}

// spokeFirst waits until one of both sides has something to say, and reports
// whether it is the client. What it had to take of the server's bytes to find
// out is said.
func spokeFirst(c *socket.Stream, up *upstream.Conn, idle time.Duration) (client bool, said []byte) {
	if idle > 0 {
		_ = c.SetReadDeadline(time.Now().Add(idle))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ready := false
		if ready, said = readable(&up.Stream); ready {
			_ = c.SetReadDeadline(time.Unix(1, 0)) // wakes the other wait
		}
	}()
	client, _ = readable(plainly(c))
	_ = up.SetReadDeadline(time.Unix(1, 0))
	<-done
	_ = up.SetReadDeadline(time.Time{})
	_ = c.SetReadDeadline(time.Time{})
	return client, said
}

// plainly is the client's socket. A client says nothing of TLS's own between
// two requests, as servers do that give out tickets: its bytes need not be
// looked into to know that it speaks.
func plainly(c *socket.Stream) *socket.Stream { return socket.Plain(c.Socket) }

// readable waits until a read of c would not wait: for bytes, the end or an
// error. It reports false when c's deadline came first. Where it takes a read
// to know, said is what was read.
func readable(c *socket.Stream) (ready bool, said []byte) {
	raw, err := c.Socket.SyscallConn()
	if err != nil {
		return true, nil // closed: a read tells more
	}
	var b [1]byte
	err = raw.Read(func(fd uintptr) bool {
		if c.TLS != nil {
			n, err := c.TryRead(fd, b[:])
			said = b[:n]
			return err != socket.ErrAgain
		}
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return err != syscall.EAGAIN && err != syscall.EINTR
	})
	return !errors.Is(err, os.ErrDeadlineExceeded), said
}

// each calls f for every handler that may have connections.
func (a *auto) each(f func(Handler)) {
	for _, h := range a.byName {
		f(h)
	}
	for _, h := range a.others {
		f(h)
	}
	f(a.watched)
	f(a.opaque)
}

// Retire is retirer's.
func (a *auto) Retire() {
	a.each(func(h Handler) {
		if r, ok := h.(retirer); ok {
			r.Retire()
		}
	})
}

func (a *auto) Drain() { a.each(Handler.Drain) }
func (a *auto) Close() { a.each(Handler.Close) }
