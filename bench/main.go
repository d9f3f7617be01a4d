// Command bench measures pitot beside its peers on this machine: the CPU
// seconds of the measured process per unit of work, peers in turn within every
// round, medians and the ratio of the same round. It judges nothing.
//
//	go run ./bench -pitot bin/pitot -work http1,mongo,tcp,idle,replay
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

type options struct {
	pitot  string
	work   string
	rounds int
	secs   time.Duration
	conns  int
	idle   int
	pcapMB int
	peers  string
	before string
	settle time.Duration
}

// wants reports whether p is to be measured.
func (o *options) wants(p peer) bool {
	return o.peers == "" || slices.Contains(strings.Split(o.peers, ","), strings.Fields(strings.ReplaceAll(p.name, ",", " "))[0])
}

func main() {
	var o options
	flag.StringVar(&o.pitot, "pitot", "bin/pitot", "the binary to measure")
	flag.StringVar(&o.before, "before", "", "another binary of pitot, measured in the same rounds: how it was before a change")
	flag.StringVar(&o.work, "work", "http1,http1-new,http1-mib,tls,handshakes,http2,grpc,grpc-stream,websocket,mongo,tcp,latency,latency-tls,latency-http2,latency-grpc,latency-websocket,latency-tcp,idle,replay,replay-mixed,replay-grpc,replay-mongo,replay-mongo-lists,store,tui", "workloads, in this order")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; every peer runs once in each")
	flag.DurationVar(&o.secs, "secs", 2*time.Second, "length of one run (at most 60s)")
	flag.IntVar(&o.conns, "conns", 64, "client connections (at most 1000)")
	flag.IntVar(&o.idle, "idle", 10000, "idle connections (at most 20000)")
	flag.DurationVar(&o.settle, "settle", 3*time.Second, "how long connections are idle before memory is measured (at most 5m)")
	flag.IntVar(&o.pcapMB, "pcap", 256, "size of the replayed capture in MiB")
	flag.StringVar(&o.peers, "peers", "", "proxies to measure, by the first words of their names; all when empty")
	reader := flag.String("reader", "", "read the capture named by the argument as a peer does (layers or http), and nothing else")
	flag.Parse()
	if *reader != "" {
		if err := runReader(*reader, flag.Arg(0)); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	o.secs, o.settle = min(o.secs, time.Minute), min(o.settle, 5*time.Minute)
	o.conns, o.idle = min(o.conns, 1000), min(o.idle, 20000)
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// workloads lists what can be measured.
var workloads = []struct {
	name string
	run  func(o options, dir string) error
}{
	{"http1", benchHTTP1},
	{"http1-new", benchNew},
	{"http1-mib", benchMiB},
	{"tls", benchTLS},
	{"handshakes", benchHandshakes},
	{"http2", benchHTTP2},
	{"grpc", benchGRPC},
	{"grpc-stream", benchGRPCStream},
	{"websocket", benchWebSocket},
	{"mongo", benchMongo},
	{"tcp", benchTCP},
	{"latency", benchLatency},
	{"latency-tls", benchLatencyTLS},
	{"latency-http2", benchLatencyHTTP2},
	{"latency-grpc", benchLatencyGRPC},
	{"latency-websocket", benchLatencyWebSocket},
	{"latency-tcp", benchLatencyTCP},
	{"idle", benchIdle},
	{"replay", benchReplay},
	{"replay-mixed", benchReplayMixed},
	{"replay-grpc", benchReplayGRPC},
	{"replay-mongo", benchReplayMongo},
	{"replay-mongo-lists", benchReplayMongoLists},
	{"store", benchStore},
	{"tui", benchTUI},
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "pitot-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range strings.Split(o.work, ",") {
		found := false
		for _, w := range workloads {
			if w.name == name {
				found = true
				if err := w.run(o, dir); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
		if !found {
			return fmt.Errorf("no workload %q", name)
		}
	}
	return nil
}
