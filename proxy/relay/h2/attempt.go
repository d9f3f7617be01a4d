package h2

import (
	"fmt"
	"net/http"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// attempt is a stream to a host. It is opened when its request's head is sent.
type attempt struct {
	stream
	link     *clientConn
	reused   bool
	method   []byte
	upgrade  bool
	protocol []byte
	blocks   func() // called before a call waits; may be nil

	heads   []answer // that came and are not taken yet
	final   bool     // the last of them has come
	interim int      // of those before it
}

// answer is a head that came: some of the stream's fields.
type answer struct {
	status   int
	from, to int
	end      bool // no body comes after it
	length   int64
}

// Send implements relay.Upstream.
func (a *attempt) Send(h *http1.Head, end bool) error {
	c := a.link
	c.mu.Lock()
	defer c.mu.Unlock()
	a.upgrade = len(h.Upgrade) > 0
	for {
		if err := a.refusal(); err != nil {
			c.passOn() // it may have been woken in the place of another
			a.unsent = true
			if a.err == nil {
				a.err = err // there will be no answer that tells more
			}
			return err
		}
		if c.free() > 0 {
			break
		}
		a.waitRoom(true)
	}
	a.method = append(a.method[:0], h.Method...)
	a.protocol = append(a.protocol[:0], h.Upgrade...)
	a.open(&c.conn, c.nextID)
	a.early = true
	c.nextID += 2
	c.served++
	a.headAt = c.place()
	a.request(h, end)
	return nil
}

// refusal is why the request cannot be sent. Locked.
func (a *attempt) refusal() error {
	c := a.link
	switch {
	case a.sendErr != nil:
		return a.sendErr
	case c.fate != nil:
		return c.fate
	case c.left, c.nextID > wire.LargestStream:
		return fmt.Errorf("h2: the host takes no more requests on this connection: %w", relay.ErrClosed)
	case a.upgrade && !c.peer.connect:
		return fmt.Errorf("%w: %w", &http1.Error{Status: 502, Detail: "http2.upgrade_not_supported"}, errUnsupported)
	}
	return nil
}

// request appends the request's head. Locked.
func (a *attempt) request(h *http1.Head, end bool) {
	x := a.c.begin(64 + sizeOf(h.Fields) + len(h.Path) + len(h.Query) + len(h.Host))
	connect := string(h.Method) == "CONNECT"
	if a.upgrade {
		x.pseudo(wire.RoleMethod, view("CONNECT"))
		x.pseudo(wire.RoleProtocol, h.Upgrade)
	} else {
		x.pseudo(wire.RoleMethod, h.Method)
	}
	if a.upgrade || !connect {
		x.pseudo(wire.RoleScheme, a.link.scheme)
		x.pseudo(wire.RolePath, a.path(h))
	}
	if len(h.Host) > 0 {
		x.pseudo(wire.RoleAuthority, h.Host)
	}
	x.fields(h.Fields)
	x.done(&a.stream, end)
}

// path is what :path says.
func (a *attempt) path(h *http1.Head) []byte {
	switch {
	case h.Form == http1.Asterisk, len(h.Path) == 0 && !h.HasQuery && string(h.Method) == "OPTIONS" && h.Form == http1.Absolute:
		return view("*") // RFC 9113, 8.3.1
	case len(h.Path) > 0 && !h.HasQuery:
		return h.Path
	}
	at := len(a.text)
	if len(h.Path) == 0 {
		a.text = append(a.text, '/')
	}
	a.text = append(a.text, h.Path...)
	if h.HasQuery {
		a.text = append(append(a.text, '?'), h.Query...)
	}
	return a.text[at:]
}

// Answer implements relay.Upstream.
func (a *attempt) Answer(h *http1.Head) error {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(a.heads) == 0 {
		if a.err != nil {
			return a.err
		}
		a.wait()
	}
	x := a.heads[0]
	a.heads = a.heads[:copy(a.heads, a.heads[1:])]
	a.headed = len(a.heads) > 0
	h.Begin(a.method, a.link.limits)
	h.Status, h.Reason = x.status, view(http.StatusText(x.status)) // which HTTP/1.1 has room for
	if a.upgrade && x.status >= 200 && x.status < 300 {
		h.Status, h.Upgrade = 101, a.protocol
	}
	for i := x.from; i < x.to; i++ {
		if f := &a.fields[i]; f.ID != http1.ContentLength || x.status >= 200 && x.status != 204 { // RFC 9110, 8.6
			h.Add(f.Name, f.Value, f.ID)
		}
	}
	h.ContentLength = x.length
	switch {
	case x.end || x.status < 200 || a.noBody:
		h.Framing = http1.NoBody
	case x.length >= 0:
		h.Framing, h.Length = http1.Length, x.length
	default:
		h.Framing = http1.Chunked
	}
	return nil
}

// Tell implements relay.Telling.
func (a *attempt) Tell(f func()) bool {
	c := a.link
	c.mu.Lock()
	flush := a.taken()
	later := !a.arrived()
	if later {
		a.told = f
	}
	c.mu.Unlock()
	if flush {
		c.flush()
	}
	return later
}

// alone implements user.
func (a *attempt) alone() {
	if a.blocks != nil {
		a.blocks()
	}
}

// answered takes a head of the answer (RFC 9113, 8.3.2). Locked.
func (a *attempt) answered(x *wire.Section, end bool) string {
	if reason := malformed(x, false); reason != "" {
		return reason
	}
	status := 0
	for i := range x.Fields {
		f := &x.Fields[i]
		if !f.Role.Pseudo() {
			break
		}
		if f.Role != wire.RoleStatus || status != 0 {
			return "an answer with pseudo-fields of a request, or two of :status"
		}
		if status = parseStatus(f.Value); status == 0 {
			return "a :status that is none"
		}
	}
	switch {
	case status == 0:
		return "an answer without :status"
	case status == 101:
		return "status 101, which HTTP/2 does not have" // RFC 9113, 8.6
	case status < 200 && end:
		return "an interim answer that ends the stream"
	}
	n := answer{status: status, from: len(a.fields), end: end, length: -1}
	a.fields = a.take(x, a.fields)
	n.to = len(a.fields)
	if status >= 200 {
		if reason := a.last(&n); reason != "" {
			return reason
		}
	}
	a.heads, a.headed = append(a.heads, n), true
	return ""
}

// last finds how long the body of the final answer is said to be.
func (a *attempt) last(n *answer) string {
	a.final, a.early = true, false
	a.noBody = n.status == 204 || n.status == 304 || string(a.method) == "HEAD"
	for _, f := range a.fields[n.from:n.to] {
		if f.ID != http1.ContentLength {
			continue
		}
		length, ok := http1.ParseLength(f.Value)
		if !ok || n.length >= 0 && n.length != length {
			return "a content-length that is none, or several that differ"
		}
		n.length = length
	}
	if a.need = n.length; a.noBody || a.upgrade || string(a.method) == "CONNECT" {
		a.need = -1
	}
	if n.end && a.need > 0 {
		return "no body, though content-length announces one"
	}
	return ""
}

func parseStatus(s string) int {
	if len(s) != 3 || s[0] < '1' || s[0] > '9' || s[1]-'0' > 9 || s[2]-'0' > 9 {
		return 0
	}
	return int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
}

// Cancel implements relay.Upstream.
func (a *attempt) Cancel(why relay.Reason) {
	c := a.link
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.closed() && a.how == inOrder {
		return
	}
	a.giveUp(code(why))
	c.kick()
}

// giveUp resets the stream, where it is open, and has calls fail. Locked.
func (a *attempt) giveUp(code wire.Code) {
	if a.id == 0 { // not sent
		a.sendErr, a.err = relay.ErrInterrupted, relay.ErrInterrupted
		return
	}
	a.heads, a.headed = a.heads[:0], false
	a.reset(code, relay.ErrInterrupted)
	if a.err == nil {
		a.err = relay.ErrInterrupted
	}
}

// Close implements relay.Upstream.
func (a *attempt) Close() {
	c := a.link
	c.mu.Lock()
	opened, before := a.id != 0, len(c.out)
	if opened {
		if !a.closed() {
			a.giveUp(wire.Cancel)
		}
		a.discard()
		if a.lent != nil {
			c.takenBack(len(a.lent))
		}
	}
	flush := len(c.out) > before
	c.slots--
	if opened {
		c.leave(&a.stream)
	} else {
		a.recycle()
	}
	c.spareSlot()
	pool := c.pool
	c.mu.Unlock()
	if flush {
		c.flush()
	}
	pool.wake()
}

// recycle implements user.
func (a *attempt) recycle() {
	pool := &a.link.dialer.attempts
	a.forget()
	a.link, a.reused, a.upgrade, a.final, a.blocks = nil, false, false, false, nil
	a.heads, a.interim = a.heads[:0], 0
	pool.Put(a)
}

// Trailing implements relay.Trailing.
func (a *attempt) Trailing() {}

// Conn implements relay.Upstream.
func (a *attempt) Conn() *upstream.Conn { return a.link.up }

// Reused implements relay.Upstream.
func (a *attempt) Reused() bool { return a.reused }

// Unsent implements relay.Upstream.
func (a *attempt) Unsent() bool {
	c := a.link
	c.mu.Lock()
	defer c.mu.Unlock()
	return a.unsent || a.id == 0
}
