package tap

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
	"github.com/pitot-io/pitot/tap/pcapfile"
)

const (
	plainSegment = 16 << 10 // bytes of a packet's payload
	plainConns   = 100_000  // connections that are remembered; then they are begun anew
	linkEthernet = 1
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// plainPackets makes packets of what happens on connections: as if it had been
// captured, between client and proxy, with what was inside of TLS in the open.
type plainPackets struct {
	w     *pcapfile.Writer
	conns map[int64]*plainConn
	last  int64
	buf   []byte
}

// plainConn is a connection that packets were made of. Sequence numbers are
// places: the first byte shown has the number 1.
type plainConn struct {
	Inline
	next   [2]uint32 // number of the byte to come
	joined [2]bool   // the direction's place is known
	ended  [2]bool   // its FIN was written
}

// WritePcapng writes what happens as pcapng until ctx is done or out fails. flush
// is called when everything so far was written.
func (r *PlainReader) WritePcapng(ctx context.Context, out io.Writer, application string, flush func() error) error {
	p := &plainPackets{conns: map[int64]*plainConn{}, w: pcapfile.NewWriter(out, pcapfile.Section{
		Application: application, Comment: "The packets were made of the bytes that pitot forwarded; TLS is left out.",
	})}
	if _, err := p.w.AddInterface(pcapfile.Interface{Link: linkEthernet, Name: "inline", Text: "connections of pitot's clients"}); err != nil {
		return err
	}
	push := func() error {
		if err := p.w.Flush(); err != nil {
			return err
		}
		return flush()
	}
	err := push()
	for err == nil {
		select {
		case x := <-r.ch:
			r.queued.Add(-int64(len(x.b)))
			if err = p.piece(&x); err == nil && len(r.ch) == 0 {
				err = push()
			}
		case <-ctx.Done():
			comment := fmt.Sprintf("%d bytes are missing: their reader was too slow", r.Dropped())
			if err = p.w.Statistics(0, time.Now().UnixNano(), 0, 0, comment); err == nil {
				err = push()
			}
			return err
		}
	}
	return err
}

func (p *plainPackets) piece(x *plainPiece) error {
	p.last = max(p.last, x.at)
	c, known := p.conn(x)
	switch x.what {
	case plainOpened:
		return p.handshake(c)
	case plainEnded:
		return p.fin(c, x.dir)
	case plainClosed, plainReset:
		delete(p.conns, x.conn.ID)
		return p.close(c, x.what == plainReset)
	}
	comment := ""
	if !known {
		comment = "the connection was open before"
	}
	return p.data(c, x, comment)
}

// conn is the connection of x; known is false for one not met before.
func (p *plainPackets) conn(x *plainPiece) (c *plainConn, known bool) {
	if c := p.conns[x.conn.ID]; c != nil {
		return c, true
	}
	if len(p.conns) >= plainConns {
		clear(p.conns)
	}
	c = &plainConn{Inline: x.conn, next: [2]uint32{1, 1}}
	if !c.Client.IsValid() || !c.Server.IsValid() { // a Unix socket: packets need addresses, each connection its own
		c.Client, c.Server = netip.AddrPortFrom(loopback, 1+uint16(c.ID%65535)), netip.AddrPortFrom(loopback, 0)
	}
	p.conns[x.conn.ID] = c
	return c, false
}

// handshake is RFC 9293, section 3.5.
func (p *plainPackets) handshake(c *plainConn) error {
	c.next, c.joined = [2]uint32{}, [2]bool{true, true}
	comment := fmt.Sprintf("listener %s, connection %d", c.Listener, c.ID)
	if err := p.packet(c, event.ToServer, packet.SYN, nil, comment); err != nil {
		return err
	}
	c.next[event.ToServer] = 1
	if err := p.packet(c, event.ToClient, packet.SYN|packet.ACK, nil, ""); err != nil {
		return err
	}
	c.next[event.ToClient] = 1
	return p.packet(c, event.ToServer, packet.ACK, nil, "")
}

// data is bytes, in as many packets as they take. Where bytes before them were
// dropped, so are their numbers.
func (p *plainPackets) data(c *plainConn, x *plainPiece, comment string) error {
	seq := uint32(x.place + 1)
	if missing := seq - c.next[x.dir]; c.joined[x.dir] && missing != 0 {
		comment = fmt.Sprintf("%d bytes before this are missing: their reader was too slow", missing)
	}
	c.next[x.dir], c.joined[x.dir] = seq, true
	for b := x.b; len(b) > 0; comment = "" {
		n := min(len(b), plainSegment)
		if err := p.packet(c, x.dir, packet.PSH|packet.ACK, b[:n], comment); err != nil {
			return err
		}
		c.next[x.dir] += uint32(n)
		b = b[n:]
	}
	return nil
}

func (p *plainPackets) fin(c *plainConn, d event.Dir) error {
	if c.ended[d] {
		return nil
	}
	c.ended[d] = true
	if err := p.packet(c, d, packet.FIN|packet.ACK, nil, ""); err != nil {
		return err
	}
	c.next[d]++
	return nil
}

func (p *plainPackets) close(c *plainConn, reset bool) error {
	if reset {
		return p.packet(c, event.ToClient, packet.RST|packet.ACK, nil, "")
	}
	if err := p.fin(c, event.ToServer); err != nil {
		return err
	}
	if err := p.fin(c, event.ToClient); err != nil {
		return err
	}
	return p.packet(c, event.ToServer, packet.ACK, nil, "")
}

// packet writes one packet in direction d, with the numbers that are next.
func (p *plainPackets) packet(c *plainConn, d event.Dir, flags uint8, payload []byte, comment string) error {
	from, to := c.Client, c.Server
	if d == event.ToClient {
		from, to = to, from
	}
	b := append(p.buf[:0], 2, 0, 0, 0, 0, byte(2-d), 2, 0, 0, 0, 0, byte(1+d)) // to, from: addresses of nobody's
	at := 0
	if from.Addr().Is4() && to.Addr().Is4() {
		b = append(b, 0x08, 0x00)
		at = len(b)
		b = append(b, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0)
		binary.BigEndian.PutUint16(b[at+2:], uint16(40+len(payload)))
		b = append(append(b, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
		binary.BigEndian.PutUint16(b[at+10:], ^sum(0, b[at:]))
		at += 12
	} else {
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 6, 64)
		binary.BigEndian.PutUint16(b[len(b)-4:], uint16(20+len(payload)))
		at = len(b)
		a, z := from.Addr().As16(), to.Addr().As16()
		b = append(append(b, a[:]...), z[:]...)
	}
	tcp := len(b)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint32(b, c.next[d])
	ack := c.next[d.Other()]
	if flags&packet.ACK == 0 {
		ack = 0
	}
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	b = append(b, payload...)
	// RFC 9293, section 3.1: over addresses, protocol and length too.
	pseudo := uint32(sum(0, b[at:tcp])) + 6 + uint32(len(b)-tcp)
	binary.BigEndian.PutUint16(b[tcp+16:], ^sum(pseudo, b[tcp:]))
	p.buf = b
	return p.w.Packet(pcapfile.Packet{Time: p.last, Data: b, Comments: []string{comment}})
}

// sum is the ones' complement sum of b (RFC 1071), on top of s.
func sum(s uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
