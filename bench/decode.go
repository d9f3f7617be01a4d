package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// decodeWork is one kind of capture with the peers that can read it.
type decodeWork struct {
	title   string
	kind    func() traffic
	http    bool     // net/http can read it
	tshark  []string // words before and after -r FILE that make tshark tell the same
	perFile int      // MiB that tshark is given at most; it needs minutes for more
}

func benchReplay(o options, dir string) error {
	return o.decode(dir, decodeWork{"HTTP/1.1, 1 KiB answers", smallHTTP, true, strings.Fields("-Y http -T fields -e http.request.method -e http.request.uri -e http.response.code"), 64})
}

func benchReplayMixed(o options, dir string) error {
	return o.decode(dir, decodeWork{"HTTP/1.1, bodies of 1 to 32 KiB", mixedHTTP, true, strings.Fields("-Y http -T fields -e http.request.method -e http.request.uri -e http.response.code"), 64})
}

func benchReplayGRPC(o options, dir string) error {
	return o.decode(dir, decodeWork{"gRPC, unary, 128-byte messages", grpcCalls, false, strings.Fields("-d tcp.port==50051,http2 -Y http2 -T fields -e http2.streamid -e http2.headers.path -e http2.headers.status -e grpc.message_length"), 16})
}

func benchReplayMongo(o options, dir string) error {
	return o.decode(dir, decodeWork{"MongoDB, finds and inserts with comments", mongoCommands, false, mongoFields(), 32})
}

func benchReplayMongoLists(o options, dir string) error {
	return o.decode(dir, decodeWork{"MongoDB, finds of ten documents and inserts", mongoLists, false, mongoFields(), 32})
}

func mongoFields() []string {
	return strings.Fields("-d tcp.port==27017,mongo -Y mongo -T fields -e mongo.request_id -e mongo.response_to -e mongo.opcode -e mongo.element.name")
}

// decode reads one synthetic capture with pitot and its peers.
func (o options) decode(dir string, w decodeWork) error {
	file := filepath.Join(dir, "decode.pcap")
	packets, err := captureOf(w.kind).write(file, o.pcapMB<<20)
	if err != nil {
		return err
	}
	defer os.Remove(file)
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	peers, err := w.peers(o, file)
	if err != nil {
		return err
	}
	gib := float64(info.Size()) / (1 << 30)
	t := newTable(fmt.Sprintf("Replay of %d MiB, %d packets: %s", o.pcapMB, packets, w.title), "CPU s / GiB", "packets/s", peers[0].name, "gopacket layers")
	rss := newTable(t.title+": memory", "peak MiB", "wall ms")
	for range o.rounds {
		for _, p := range peers {
			r, err := readOnce(p.command, p.env...)
			if err != nil {
				return err
			}
			t.add(p.name, r.cpu/gib, float64(packets)/r.wall)
			rss.add(p.name, r.rss, 1000*r.wall)
		}
	}
	t.print()
	rss.print()
	return nil
}

// program is a peer that reads a capture.
type program struct {
	name    string
	command []string
	env     []string
}

func (w decodeWork) peers(o options, file string) ([]program, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	pitot := []string{o.pitot, "replay", file, "--json"}
	all := []program{
		{"tcpdump, printing", []string{"tcpdump", "-nn", "-q", "-r", file}, nil},
		{"gopacket layers", []string{self, "-reader", "layers", file}, nil},
		{"pitot, 1 worker", append(pitot, "--workers", "1"), nil},
		{"pitot, 2 workers", append(pitot, "--workers", "2"), nil},
		{"pitot, 1 core", append(pitot, "--workers", "1"), []string{"GOMAXPROCS=1"}},
	}
	if w.http {
		all = append(all, program{"gopacket + net/http", []string{self, "-reader", "http", file}, nil})
	}
	if _, err := exec.LookPath("tshark"); err == nil && o.pcapMB <= w.perFile {
		all = append(all, program{"tshark, fields", append([]string{"tshark", "-n", "-r", file}, w.tshark...), nil})
	}
	return all, nil
}
