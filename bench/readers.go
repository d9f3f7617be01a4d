package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"
)

// readers are the standard Go ways to read a capture, run as processes of
// their own (bench -reader NAME FILE) so that their CPU time can be told.
var readers = map[string]func(file string) error{
	"layers": readLayers,
	"http":   readHTTP,
}

// packets calls f with every packet of a pcap file, undecoded.
func packets(file string, f func(gopacket.CaptureInfo, []byte)) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := pcapgo.NewReader(bufio.NewReaderSize(in, 1<<20))
	if err != nil {
		return err
	}
	for {
		b, ci, err := r.ZeroCopyReadPacketData()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f(ci, b)
	}
}

// stack is a decoder of the layers that a capture of Ethernet, IPv4 and TCP has.
type stack struct {
	eth     layers.Ethernet
	ip      layers.IPv4
	tcp     layers.TCP
	parser  *gopacket.DecodingLayerParser
	decoded []gopacket.LayerType
}

func newStack() *stack {
	s := new(stack)
	s.parser = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &s.eth, &s.ip, &s.tcp)
	s.parser.IgnoreUnsupported = true
	return s
}

// readLayers walks the layers of every packet and does no more.
func readLayers(file string) error {
	s, n := newStack(), 0
	err := packets(file, func(_ gopacket.CaptureInfo, b []byte) {
		if s.parser.DecodeLayers(b, &s.decoded) == nil {
			n += len(s.tcp.Payload)
		}
	})
	fmt.Println(n, "bytes of payload")
	return err
}

// readHTTP puts streams together and reads them with net/http, a goroutine a direction.
func readHTTP(file string) error {
	f := &httpStreams{}
	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(f))
	s := newStack()
	err := packets(file, func(ci gopacket.CaptureInfo, b []byte) {
		if s.parser.DecodeLayers(b, &s.decoded) == nil {
			assembler.AssembleWithContext(s.ip.NetworkFlow(), &s.tcp, seen(ci))
		}
	})
	assembler.FlushAll()
	f.wg.Wait()
	fmt.Println(f.messages, "messages")
	return err
}

type seen gopacket.CaptureInfo

func (s seen) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo(s) }

type httpStreams struct {
	wg       sync.WaitGroup
	mu       sync.Mutex
	messages int
}

func (f *httpStreams) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	s := &httpStream{}
	for d := range s.to {
		r, w := io.Pipe()
		s.to[d] = w
		f.wg.Go(func() { f.read(d == 0, bufio.NewReader(r), r) })
	}
	return s
}

// read counts the messages of one direction.
func (f *httpStreams) read(requests bool, r *bufio.Reader, pipe *io.PipeReader) {
	defer pipe.CloseWithError(io.ErrClosedPipe)
	for {
		var body io.ReadCloser
		if requests {
			m, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body = m.Body
		} else {
			m, err := http.ReadResponse(r, nil)
			if err != nil {
				return
			}
			body = m.Body
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return
		}
		f.mu.Lock()
		f.messages++
		f.mu.Unlock()
	}
}

type httpStream struct{ to [2]*io.PipeWriter }

func (s *httpStream) Accept(_ *layers.TCP, _ gopacket.CaptureInfo, _ reassembly.TCPFlowDirection, _ reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	*start = true
	return true
}

func (s *httpStream) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	dir, _, _, _ := sg.Info()
	n, _ := sg.Lengths()
	d := 0
	if dir == reassembly.TCPDirServerToClient {
		d = 1
	}
	_, _ = s.to[d].Write(sg.Fetch(n)) // a reader that gave up is its own affair
}

func (s *httpStream) ReassemblyComplete(reassembly.AssemblerContext) bool {
	for _, w := range s.to {
		_ = w.Close() // never fails
	}
	return true
}

// aWhile bounds how long a reader may take.
const aWhile = 10 * time.Minute

func runReader(name, file string) error {
	read, ok := readers[name]
	if !ok {
		return fmt.Errorf("no reader %q", name)
	}
	t := time.AfterFunc(aWhile, func() { fmt.Fprintln(os.Stderr, "bench: reader takes too long"); os.Exit(1) })
	defer t.Stop()
	return read(file)
}
