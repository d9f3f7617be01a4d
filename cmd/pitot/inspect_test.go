package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/tap/pcapfile"
)

func TestInspect(t *testing.T) {
	ws := testdata + "/websocket-go.pcap"
	for _, c := range []struct {
		args string
		code int
		says []string // on standard output, or on standard error when code is not 0
	}{
		{ws, exitDone, []string{`websocket close    5 bytes, masked, code 1000 "bye"`, "http1 request      GET /rooms/7?token=REDACTED"}},
		{ws + " --stream 2 --time absolute", exitDone, []string{"2026-11-22T04:41:36.607797000Z    2 →"}},
		{ws + " --filter protocol:websocket --explain", exitDone, []string{"= websocket: websocket /rooms/{id}, error 1008", "redacted: secrets were taken out"}},
		{ws + " --json --stream 0", exitDone, []string{`"tcp_stream":0,"direction":"to_server","offset":259,"size":11,"protocol":"websocket","message":"text"`}},
		{httpsCapture + " --hex --keylog " + httpsKeys, exitDone, []string{"GET /cart/7 HTTP/1.1, host shop.example, no body\n    decrypted:\n    00000000  47 45 54 20 2f 63 61 72"}},
		{httpsCapture + " --json --hex --keylog " + httpsKeys, exitDone, []string{`"hex":"474554202f`, `"unpacked":"decrypted"}`}},
		{testdata + "/mongo-go-snappy.pcap --hex", exitDone, []string{"sections: command\n    decompressed:\n    00000000  00 00 00 00 00 bb 00 00  00 02 66 69 6e 64 00"}},
		{testdata + "/grpc-go.pcap --hex", exitDone, []string{"UnaryCall #1, compressed gzip\n    decompressed:\n    00000000  1a 00 "}},
		{ws + " --hex --stream 0", exitDone, []string{"81 05 68 65 6c 6c 6f"}},
		{commentedCapture(t), exitDone, []string{"    - ! comment on the section: of all\n", "    0 ! comment on packet 1: of.this\n"}},
		{commentedCapture(t) + " --stream 7", exitDone, []string{"comment on the section"}},
		{"nowhere.pcap", exitFailed, []string{"nowhere.pcap"}},
		{"main.go", exitFailed, []string{"this is no capture file"}},
		{ws + " --time soon", exitUsage, []string{"relative or absolute"}},
		{ws + " --filter stauts:ok", exitUsage, []string{`did you mean "status"`, "\n  stauts:ok\n  ^\n"}},
		{"", exitUsage, []string{"inspect"}},
	} {
		stdout, stderr, code := pitot(t, append([]string{"inspect"}, strings.Fields(c.args)...)...)
		said := stdout
		if c.code != exitDone {
			said = stderr
		}
		if code != c.code {
			t.Errorf("pitot inspect %s: exit %d, want %d: %s", c.args, code, c.code, stderr)
		}
		for _, s := range c.says {
			if !strings.Contains(said, s) {
				t.Errorf("pitot inspect %s lacks %q:\n%.2000s", c.args, s, said)
			}
		}
	}
}

// commentedCapture is a file with two comments: one of everything, and one of
// its packet.
func commentedCapture(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	w := pcapfile.NewWriter(&out, pcapfile.Section{Comment: "of all"})
	_, failed := w.AddInterface(pcapfile.Interface{Link: 101})
	ip := []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	packet := append(ip, 0x80, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 5<<4, 2, 0, 0, 0, 0, 0, 0) // SYN
	name := filepath.Join(t.TempDir(), "commented.pcapng")
	err := errors.Join(failed, w.Packet(pcapfile.Packet{Time: 1e9, Data: packet, Comments: []string{"of\nthis"}}), w.Flush(), os.WriteFile(name, out.Bytes(), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// Every capture of testdata shows something, and the same every time.
func TestInspectRecordedCaptures(t *testing.T) {
	for _, file := range recorded(t) {
		out, stderr, code := pitot(t, "inspect", file)
		if code != exitDone || out == "" {
			t.Errorf("%s: exit %d, %d bytes: %s", file, code, len(out), stderr)
		}
		if again, _, _ := pitot(t, "inspect", file); again != out {
			t.Errorf("%s: two inspections differ", file)
		}
	}
}
