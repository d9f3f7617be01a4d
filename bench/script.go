package main

import (
	"bufio"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

const (
	scriptConns = 64
	scriptMSS   = 1448 // bytes of payload in a packet of Ethernet's size
)

// traffic is one kind of scripted traffic: the bytes that open connection conn,
// and its n-th request with the answer. The slices are used before the next call.
type traffic interface {
	port() int
	open(conn int) (client, server []byte)
	exchange(conn, n int) (client, server []byte)
}

// capture is a pcap file of scripted traffic.
type capture struct{ traffic }

func captureOf(kind func() traffic) capture { return capture{kind()} }

// write writes about size bytes: connections that each open, then take turns.
// The handshakes are there, the ends are not.
func (c capture) write(file string, size int) (packets int, err error) {
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := bufio.NewWriterSize(f, 1<<20)
	w := pcapgo.NewWriterNanos(buf)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		return 0, err
	}
	s := script{w: w, port: c.port(), at: time.Now().Add(-time.Hour), buf: gopacket.NewSerializeBuffer()}
	for conn := range scriptConns {
		s.packet(conn, true, layers.TCP{SYN: true}, nil)
		s.packet(conn, false, layers.TCP{SYN: true, ACK: true}, nil)
		s.both(conn, c.open)
	}
	for n := 0; s.bytes < size && s.err == nil; n++ {
		conn := n % scriptConns
		s.both(conn, func(int) ([]byte, []byte) { return c.exchange(conn, n) })
	}
	if s.err != nil {
		return 0, s.err
	}
	return s.packets, buf.Flush()
}

// script writes the packets of scripted TCP connections.
type script struct {
	w              *pcapgo.Writer
	port           int
	at             time.Time
	buf            gopacket.SerializeBuffer
	seq            [scriptConns][2]uint32
	packets, bytes int
	err            error
}

func (s *script) both(conn int, of func(int) (client, server []byte)) {
	client, server := of(conn)
	s.send(conn, true, client)
	s.send(conn, false, server)
}

// send cuts payload into packets.
func (s *script) send(conn int, fromClient bool, payload []byte) {
	for len(payload) > 0 {
		n := min(len(payload), scriptMSS)
		s.packet(conn, fromClient, layers.TCP{ACK: true, PSH: n == len(payload)}, payload[:n])
		payload = payload[n:]
	}
}

func (s *script) packet(conn int, fromClient bool, tcp layers.TCP, payload []byte) {
	me, client, server := 0, layers.TCPPort(20000+conn), layers.TCPPort(s.port)
	ip := layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
	tcp.SrcPort, tcp.DstPort = client, server
	if !fromClient {
		me = 1
		ip.SrcIP, ip.DstIP, tcp.SrcPort, tcp.DstPort = ip.DstIP, ip.SrcIP, server, client
	}
	tcp.Seq, tcp.Ack, tcp.Window = s.seq[conn][me], s.seq[conn][1-me], 65535
	s.seq[conn][me] += uint32(len(payload))
	if tcp.SYN {
		s.seq[conn][me]++
	}
	eth := layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	s.write(&eth, &ip, &tcp, payload)
}

func (s *script) write(eth *layers.Ethernet, ip *layers.IPv4, tcp *layers.TCP, payload []byte) {
	if s.err != nil {
		return
	}
	if s.err = tcp.SetNetworkLayerForChecksum(ip); s.err != nil {
		return
	}
	o := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if s.err = gopacket.SerializeLayers(s.buf, o, eth, ip, tcp, gopacket.Payload(payload)); s.err != nil {
		return
	}
	b := s.buf.Bytes()
	s.at = s.at.Add(time.Microsecond)
	s.err = s.w.WritePacket(gopacket.CaptureInfo{Timestamp: s.at, CaptureLength: len(b), Length: len(b)}, b)
	s.packets++
	s.bytes += len(b) + 16
}
