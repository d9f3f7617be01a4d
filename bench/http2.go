package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// byH2load has h2load make the load: 16 connections of so many streams.
func byH2load(streams int, args ...string) func(address string, conns int, length time.Duration) (uint64, error) {
	return func(address string, _ int, length time.Duration) (uint64, error) {
		all := append([]string{"-t", "1", "-c", "16", "-m", strconv.Itoa(streams), "-D", strconv.Itoa(max(1, int(length.Round(time.Second)/time.Second)))}, args...)
		out, err := exec.Command("h2load", append(all, "http://"+address+"/1k")...).CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		return h2loadResult(out)
	}
}

var h2loadRequests = regexp.MustCompile(`(\d+) succeeded, (\d+) failed, (\d+) errored`)

func h2loadResult(out []byte) (uint64, error) {
	m := h2loadRequests.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("h2load: %s", out)
	}
	done, _ := strconv.ParseUint(string(m[1]), 10, 64)
	if failed := string(m[2]); failed != "0" {
		return done, fmt.Errorf("h2load: %s requests failed", failed)
	}
	return done, nil
}

// h2Origin answers HTTP/1.1 and HTTP/2 in cleartext.
func h2Origin(h http.HandlerFunc) func() (string, func(), error) {
	return func() (string, func(), error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", nil, err
		}
		var p http.Protocols
		p.SetHTTP1(true)
		p.SetUnencryptedHTTP2(true)
		s := &http.Server{Handler: h, Protocols: &p, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000}}
		done := make(chan struct{})
		go func() { defer close(done); _ = s.Serve(l) }() // ended by stop
		return l.Addr().String(), func() { _ = s.Close(); <-done }, nil
	}
}

func answer1k(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1024")
	_, _ = w.Write(body1k) // the peer may have gone
}

func benchHTTP2(o options, dir string) error {
	return forwarding{
		title: "HTTP/2 in cleartext, 1 KiB answers, 16 connections of 16 streams (nginx speaks HTTP/1.1 to the origin)", unit: "CPU s / 100k requests",
		origin: h2Origin(answer1k), external: byH2load(16), bases: webBases,
		peers: http2Peers(o),
	}.run(o, dir)
}

func http2Peers(o options) []peer {
	return append([]peer{nginxPeer(fmt.Sprintf(nginxH2, `proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection "";`)),
		haproxyWebPeer("proto h2", "proto h2"), envoyPeer("HTTP2", "", envoyToH2), caddyPeer("h1 h2c", "http://:@PORT@", "", "h2c://"), traefikWeb("h2c")},
		pitotWebPeers(o, "", "    protocol: http2")...)
}

// echoCall answers a unary call of gRPC with its own message.
func echoCall(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = io.Copy(w, r.Body) // the peer may have gone
	w.Header().Set("Grpc-Status", "0")
}

func benchGRPC(o options, dir string) error {
	message := filepath.Join(dir, "message.grpc")
	if err := os.WriteFile(message, append([]byte{0, 0, 0, 0, 128}, body1k[:128]...), 0o600); err != nil {
		return err
	}
	return forwarding{
		title: "gRPC unary, 128-byte message echoed, 16 connections of 8 calls", unit: "CPU s / 100k calls",
		origin: h2Origin(echoCall), external: byH2load(8, "-d", message, "-H", "content-type: application/grpc", "-H", "te: trailers"), bases: webBases,
		peers: grpcPeers(o),
	}.run(o, dir)
}

// streamed is how many messages a streaming call gets back.
const streamed = 1000

// streamCall answers a call of gRPC with many messages, each sent when it is
// there.
func streamCall(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = io.Copy(io.Discard, r.Body) // the peer may have gone
	message := append([]byte{0, 0, 0, 0, 128}, body1k[:128]...)
	c := http.NewResponseController(w)
	for range streamed {
		_, _ = w.Write(message)
		_ = c.Flush()
	}
	w.Header().Set("Grpc-Status", "0")
}

func benchGRPCStream(o options, dir string) error {
	message := filepath.Join(dir, "message.grpc")
	if err := os.WriteFile(message, append([]byte{0, 0, 0, 0, 128}, body1k[:128]...), 0o600); err != nil {
		return err
	}
	calls := byH2load(1, "-d", message, "-H", "content-type: application/grpc", "-H", "te: trailers")
	return forwarding{
		title: fmt.Sprintf("gRPC, calls with a stream of %d messages of 128 bytes in answer, 16 connections of one call", streamed), unit: "CPU s / 100k messages",
		origin: h2Origin(streamCall), bases: webBases,
		external: func(address string, conns int, length time.Duration) (uint64, error) {
			n, err := calls(address, conns, length)
			return n * streamed, err
		},
		peers: grpcPeers(o),
	}.run(o, dir)
}

func grpcPeers(o options) []peer {
	return append([]peer{nginxPeer(fmt.Sprintf(nginxH2, "grpc_pass grpc://o; grpc_read_timeout 600s;")),
		haproxyWebPeer("proto h2", "proto h2"), envoyPeer("HTTP2", "", envoyToH2), caddyPeer("h1 h2c", "http://:@PORT@", "", "h2c://"), traefikWeb("h2c")},
		pitotWebPeers(o, "", "    protocol: http2")...)
}
