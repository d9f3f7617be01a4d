// Command record makes the captures of testdata: it starts a real server on
// loopback and tcpdump beside it, runs real clients, and leaves NAME.pcap.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// scenario is one capture: a server on loopback, and clients that talk to it.
// stop may be called twice.
type scenario struct {
	name   string
	serve  func() (addr string, stop func(), err error)
	client func(ctx context.Context, addr string) error // secrets of TLS go to SSLKEYLOGFILE, NAME.keys
}

var scenarios = []scenario{
	{"http1-curl", serveHTTP, curlClient},
	{"http1-node", serveHTTP, nodeHTTPClient},
	{"https-curl", serveHTTPS, httpsClient},
	{"http2-curl", serveHTTP2, curlHTTP2Client},
	{"grpc-go", serveGRPC, goGRPCClient},
	{"mongo-go", serveMongo, goMongoClient("")},
	{"mongo-go-snappy", serveMongo, goMongoClient("snappy")},
	{"mongo-go-zlib", serveMongo, goMongoClient("zlib")},
	{"mongo-go-zstd", serveMongo, goMongoClient("zstd")},
	{"mongo-node", serveMongo, nodeMongoClient("none")},
	{"mongo-node-zlib", serveMongo, nodeMongoClient("zlib")},
	{"websocket-go", serveWebSocket, goWebSocketClient},
}

func main() {
	list := flag.Bool("list", false, "list the scenarios")
	out := flag.String("out", "testdata", "folder to write into")
	flag.Parse()
	for _, s := range scenarios {
		if *list {
			fmt.Println(s.name)
		} else if flag.Arg(0) == s.name {
			os.Setenv("SSLKEYLOGFILE", filepath.Join(*out, s.name+".keys")) // the name is good
			err := s.record(filepath.Join(*out, s.name+".pcap"))
			if s.name == "grpc-go" && err == nil {
				err = writeProtoset(filepath.Join(*out, s.name+".protoset"))
			}
			if err != nil {
				fmt.Fprintf(os.Stderr, "record: %s: %v\n", s.name, err)
				os.Exit(1)
			}
		}
	}
}

func (s scenario) record(file string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	addr, stop, err := s.serve()
	if err != nil {
		return err
	}
	defer stop()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	dump, err := startDump(ctx, file, port)
	if err != nil {
		return err
	}
	if err := s.client(ctx, addr); err != nil {
		return err
	}
	stop() // so that the capture shows the connections end
	return dump()
}

// startDump starts tcpdump and waits until it listens; the function returned
// ends it when everything has been written.
func startDump(ctx context.Context, file, port string) (end func() error, err error) {
	cmd := exec.CommandContext(ctx, "tcpdump", "-i", "lo", "-s", "0", "-U", "-w", file, "-Z", "root", "tcp", "port", port)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "listening on") {
			return func() error {
				time.Sleep(time.Second) // the kernel hands packets over in blocks
				if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
					return err
				}
				return cmd.Wait()
			}, nil
		}
	}
	return nil, fmt.Errorf("tcpdump ended: %w", cmd.Wait())
}

// run runs a client program and shows what it says when it fails.
func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
