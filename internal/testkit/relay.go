package testkit

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Relay stands between a client and a server on loopback, forwards bytes as
// they are, and writes what goes from it to the server and back into a
// capture, as tcpdump would that listened there: handshakes, sequence numbers
// and acknowledgements included, in segments of at most 1,400 bytes.
type Relay struct {
	t      testing.TB
	l      net.Listener
	server string
	wg     sync.WaitGroup

	mu   sync.Mutex // guards the file: packets of all connections
	file *os.File
	w    *pcapgo.Writer
	buf  gopacket.SerializeBuffer
}

// NewRelay starts a relay to server that captures into file. Its Close waits
// for the connections to end.
func NewRelay(t testing.TB, server, file string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{t: t, l: l, server: server, file: f, w: pcapgo.NewWriterNanos(f), buf: gopacket.NewSerializeBuffer()}
	if err := r.w.WriteFileHeader(65535, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	r.wg.Go(r.accept)
	return r
}

// Addr is where clients connect.
func (r *Relay) Addr() string { return r.l.Addr().String() }

// Close ends the relay when its clients have closed their connections.
func (r *Relay) Close() {
	r.l.Close()
	r.wg.Wait()
	if err := r.file.Close(); err != nil {
		r.t.Error(err)
	}
}

func (r *Relay) accept() {
	for {
		c, err := r.l.Accept()
		if err != nil {
			return
		}
		r.wg.Go(func() { r.relay(c.(*net.TCPConn)) })
	}
}

func (r *Relay) relay(client *net.TCPConn) {
	defer client.Close()
	c, err := net.Dial("tcp", r.server)
	if err != nil {
		r.t.Error(err)
		return
	}
	server := c.(*net.TCPConn)
	defer server.Close()
	s := &stream{relay: r, ends: [2]*net.TCPAddr{server.LocalAddr().(*net.TCPAddr), server.RemoteAddr().(*net.TCPAddr)}, seq: [2]uint32{1000, 5000}}
	s.packet(0, layers.TCP{SYN: true}, nil)
	s.packet(1, layers.TCP{SYN: true, ACK: true}, nil)
	var wg sync.WaitGroup
	wg.Go(func() { s.pump(0, server, client) })
	wg.Go(func() { s.pump(1, client, server) })
	wg.Wait()
}

// stream is one connection as the capture shows it.
type stream struct {
	relay *Relay
	mu    sync.Mutex
	ends  [2]*net.TCPAddr // who sends in direction 0 and 1
	seq   [2]uint32
}

// pump captures bytes on their way into the server before they are sent, and
// on their way out after they came, as the wire has them.
func (s *stream) pump(dir int, to, from *net.TCPConn) {
	buf := make([]byte, 1400)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			s.packet(dir, layers.TCP{ACK: true, PSH: true}, buf[:n])
			if _, err := to.Write(buf[:n]); err != nil {
				from.CloseRead() // the other side is gone; its own pump says so
				return
			}
		}
		if err != nil {
			if err == io.EOF {
				s.packet(dir, layers.TCP{ACK: true, FIN: true}, nil)
				to.CloseWrite() // it may be gone already
			} else {
				to.Close()
			}
			return
		}
	}
}

func (s *stream) packet(dir int, tcp layers.TCP, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, to := s.ends[dir], s.ends[1-dir]
	tcp.SrcPort, tcp.DstPort = layers.TCPPort(from.Port), layers.TCPPort(to.Port)
	tcp.Seq, tcp.Ack, tcp.Window = s.seq[dir], s.seq[1-dir], 65535
	s.seq[dir] += uint32(len(payload))
	if tcp.SYN || tcp.FIN {
		s.seq[dir]++
	}
	ip := layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.IP.To4(), DstIP: to.IP.To4()}
	if err := s.relay.write(&ip, &tcp, payload); err != nil {
		s.relay.t.Error(err)
	}
}

func (r *Relay) write(ip *layers.IPv4, tcp *layers.TCP, payload []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		return err
	}
	o := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(r.buf, o, ip, tcp, gopacket.Payload(payload)); err != nil {
		return err
	}
	b := r.buf.Bytes()
	return r.w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Now(), CaptureLength: len(b), Length: len(b)}, b)
}
