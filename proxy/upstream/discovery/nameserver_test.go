package discovery

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers on a port of loopback, by UDP and TCP.
type nameServer struct {
	*testing.T
	address string
	packets *net.UDPConn
	streams net.Listener
	serving sync.WaitGroup

	mu       sync.Mutex
	records  map[string][]dnsmessage.Resource // by name and type
	failing  bool                             // answers SERVFAIL
	silent   bool                             // does not answer
	short    bool                             // has everybody come by TCP
	asked    int
	overTCP  int
	lifetime uint32 // s
}

func newNameServer(t *testing.T) *nameServer {
	s := &nameServer{T: t, records: map[string][]dnsmessage.Resource{}, lifetime: 60}
	for try := 0; ; try++ { // a port that is free for both
		var err error
		if s.streams, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		s.address = s.streams.Addr().String()
		if s.packets, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s.address))); err == nil {
			break
		}
		s.streams.Close()
		if try == 10 {
			t.Fatal(err)
		}
	}
	s.serving.Go(s.servePackets)
	s.serving.Go(s.serveStreams)
	t.Cleanup(func() {
		s.packets.Close()
		s.streams.Close()
		s.serving.Wait()
	})
	return s
}

func (s *nameServer) servePackets() {
	b := make([]byte, 1500)
	for {
		n, from, err := s.packets.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if answer := s.answer(b[:n], true); answer != nil {
			_, _ = s.packets.WriteToUDPAddrPort(answer, from)
		}
	}
}

func (s *nameServer) serveStreams() {
	for {
		c, err := s.streams.Accept()
		if err != nil {
			return
		}
		s.serving.Go(func() {
			defer c.Close()
			var length [2]byte
			for {
				if _, err := io.ReadFull(c, length[:]); err != nil {
					return
				}
				b := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				answer := s.answer(b, false)
				for _, piece := range [][]byte{{byte(len(answer) >> 8)}, {byte(len(answer))}, answer[:5], answer[5:]} {
					if _, err := c.Write(piece); err != nil {
						return
					}
				}
			}
		})
	}
}

func (s *nameServer) answer(query []byte, packet bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var q dnsmessage.Message
	if err := q.Unpack(query); err != nil || len(q.Questions) != 1 {
		return nil
	}
	if s.asked++; s.silent {
		return nil
	}
	if !packet {
		s.overTCP++
	}
	a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true}, Questions: q.Questions}
	one := q.Questions[0]
	a.Answers = s.records[strings.ToLower(one.Name.String())+one.Type.String()]
	switch {
	case s.failing:
		a.RCode, a.Answers = dnsmessage.RCodeServerFailure, nil
	case packet && s.short:
		a.Truncated, a.Answers = true, nil
	case !s.known(one.Name.String()):
		a.RCode = dnsmessage.RCodeNameError
	}
	b, err := a.Pack()
	if err != nil {
		s.Error(err)
	}
	return b
}

func (s *nameServer) known(name string) bool {
	for key := range s.records {
		if strings.HasPrefix(key, strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// set has names be as said: "shop.test. A 10.0.0.1 10.0.0.2", "_http._tcp.shop.test. SRV 1 5 80 a.shop.test."
func (s *nameServer) set(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.records)
	for _, line := range lines {
		f := strings.Fields(line)
		name := dnsmessage.MustNewName(f[0])
		add := func(t dnsmessage.Type, body dnsmessage.ResourceBody) {
			key := f[0] + t.String()
			s.records[key] = append(s.records[key], dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: name, Type: t, Class: dnsmessage.ClassINET, TTL: s.lifetime}, Body: body,
			})
		}
		switch f[1] {
		case "A":
			for _, a := range f[2:] {
				if ip := netip.MustParseAddr(a); ip.Is4() {
					add(dnsmessage.TypeA, &dnsmessage.AResource{A: ip.As4()})
				} else {
					add(dnsmessage.TypeAAAA, &dnsmessage.AAAAResource{AAAA: ip.As16()})
				}
			}
		case "SRV":
			var n [3]uint16
			for i := range n {
				n[i] = uint16(number(s.T, f[2+i]))
			}
			add(dnsmessage.TypeSRV, &dnsmessage.SRVResource{Priority: n[0], Weight: n[1], Port: n[2], Target: dnsmessage.MustNewName(f[5])})
		}
	}
}

// change changes how the server behaves.
func (s *nameServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}
