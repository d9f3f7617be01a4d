package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// benchReplay reads one synthetic HTTP/1.1 capture with pitot and its peers.
func benchReplay(o options, dir string) error {
	file := filepath.Join(dir, "http1.pcap")
	packets, err := writeCapture(file, o.pcapMB<<20)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	gib := float64(info.Size()) / (1 << 30)
	readers := []peer{
		{"tcpdump, printing", []string{"tcpdump", "-nn", "-q", "-r", file}, nil},
		{"pitot replay --json", []string{o.pitot, "replay", file, "--json-file", "/dev/null"}, nil},
	}
	if _, err := exec.LookPath("tshark"); err == nil && o.pcapMB <= 64 {
		readers = append(readers, peer{"tshark, fields", strings.Fields("tshark -n -r " + file + " -Y http -T fields -e http.request.method -e http.request.uri -e http.response.code"), nil})
	}
	t := newTable(fmt.Sprintf("Replay of %d MiB, %d packets of HTTP/1.1", o.pcapMB, packets), "CPU s / GiB", "packets/s", readers[0].name)
	for range o.rounds {
		for _, r := range readers {
			cpu, wall, err := readOnce(r.command)
			if err != nil {
				return err
			}
			t.add(r.name, cpu/gib, float64(packets)/wall)
		}
	}
	t.print()
	return nil
}

// benchStore replays into the embedded store: spans a second, end to end.
func benchStore(o options, dir string) error {
	file := filepath.Join(dir, "store.pcap")
	if _, err := writeCapture(file, min(o.pcapMB, 128)<<20); err != nil {
		return err
	}
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	store := exec.Command(o.pitot, "store", "--listen", listen, "--data", filepath.Join(dir, "data"))
	store.Stderr = os.Stderr
	if err := store.Start(); err != nil {
		return err
	}
	defer func() {
		_ = store.Process.Signal(syscall.SIGTERM)
		_ = store.Wait() // ended by our own signal
	}()
	dsn := "http://" + listen
	if err := answering(o.pitot, dsn); err != nil {
		return err
	}
	t := newTable("Replay into the embedded store", "wall s", "spans/s")
	for range o.rounds {
		before, err := countRows(o.pitot, dsn)
		if err != nil {
			return err
		}
		_, wall, err := readOnce([]string{o.pitot, "replay", file, "--store", dsn, "--shift-time", "now"})
		if err != nil {
			return err
		}
		after, err := countRows(o.pitot, dsn)
		if err != nil {
			return err
		}
		t.add("pitot replay --store", wall, float64(after-before)/wall)
	}
	t.print()
	return nil
}

// answering waits until the store answers and has the schema to count in.
func answering(pitot, dsn string) (err error) {
	for range 100 {
		if err = exec.Command(pitot, "sql", "--store", dsn, "SELECT 1").Run(); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("store at %s: %w", dsn, err)
}

func countRows(pitot, dsn string) (int, error) {
	const q = "SELECT sum(total_rows) FROM system.tables WHERE database = 'pitot' AND name = 'otel_traces'"
	out, err := exec.Command(pitot, "sql", "--store", dsn, "--format", "TSV", q).Output()
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(out))
	if text == "" || text == `\N` {
		return 0, nil // no table yet
	}
	return strconv.Atoi(text)
}

func readOnce(command []string) (cpu, wall float64, err error) {
	cmd := exec.Command(command[0], command[1:]...)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return 0, 0, err
	}
	defer null.Close()
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = null, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, 0, fmt.Errorf("%v: %w: %s", command, err, stderr.String())
	}
	s := cmd.ProcessState
	return (s.UserTime() + s.SystemTime()).Seconds(), time.Since(began).Seconds(), nil
}

// writeCapture writes about size bytes of HTTP/1.1 keep-alive traffic: 64
// connections, 1 KiB answers, packets of at most 1,514 bytes.
func writeCapture(file string, size int) (packets int, err error) {
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := pcapgo.NewWriterNanos(f)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		return 0, err
	}
	s := script{w: w, at: time.Now().Add(-time.Minute), buf: gopacket.NewSerializeBuffer()}
	answer := append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"), body1k...)
	const conns = 64
	for c := range conns {
		s.send(c, true, layers.TCP{SYN: true}, nil)
		s.send(c, false, layers.TCP{SYN: true, ACK: true}, nil)
	}
	for n := 0; s.bytes < size; n++ {
		request := fmt.Sprintf("GET /cart/%d HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n", n)
		s.send(n%conns, true, layers.TCP{ACK: true, PSH: true}, []byte(request))
		s.send(n%conns, false, layers.TCP{ACK: true, PSH: true}, answer)
	}
	return s.packets, s.err
}

// script writes the packets of scripted TCP connections.
type script struct {
	w              *pcapgo.Writer
	at             time.Time
	buf            gopacket.SerializeBuffer
	seq            [64][2]uint32
	packets, bytes int
	err            error
}

func (s *script) send(conn int, fromClient bool, tcp layers.TCP, payload []byte) {
	me, client, server := 0, layers.TCPPort(20000+conn), layers.TCPPort(80)
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
