package proxy

import (
	"context"
	"time"

	"github.com/pitot-io/pitot/decode/tls"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/socket"
)

// alpnOf is what a listener's protocol is called in TLS.
func alpnOf(l *config.Listener) (names []string) {
	if l.Protocol != config.HTTP && l.Protocol != config.Auto {
		return nil
	}
	if l.Speaks(config.HTTP20) {
		names = append(names, "h2")
	}
	if l.Speaks(config.HTTP11) {
		names = append(names, "http/1.1")
	}
	return names
}

// handshake makes a session with a client and hands it to the listener's
// handler, in a goroutine of its own: cryptography takes much of the stack.
func (l *listener) handshake(ctx context.Context, c socket.Conn, t *secure.Server, h *serving, info ConnInfo, done func()) {
	s, session, err := t.Handshake(c)
	l.tellSession(session, err, info)
	session.Forget()
	if err != nil {
		if asksPlainly(err) {
			correct(c)
		}
		done()
		return
	}
	info.Cert, info.TLS = h.cert(session), &session.State
	go h.Serve(ctx, s, nil, info, done)
}

// cert says what servers are told of the certificate of a client, which may
// have no session.
func (h *serving) cert(s *secure.Session) (c hop.ClientCert) {
	c.Keep, c.Own = s.Forwarded(h.forward)
	return c
}

// tellSession tells that a client's connection is protected, and how, or that
// it could not be.
func (l *listener) tellSession(s *secure.Session, err error, info ConnInfo) {
	if l.tell == nil {
		return
	}
	var hello *tls.Hello
	if s.Hello != nil {
		hello = tls.HelloOf(s.Hello)
	}
	var n event.Notice
	switch f := err.(type) {
	case *secure.Failure:
		n = tls.Failed(decodeConn(info), time.Now().UnixNano(), hello, f.Reason(), f.Error())
	default:
		n = tls.Connection(decodeConn(info), time.Now().UnixNano(), hello, &s.State)
	}
	n.Attributes = append(n.Attributes, event.KeyValue{Key: "listener", Value: l.name})
	l.tell(info.ID, &n)
}
