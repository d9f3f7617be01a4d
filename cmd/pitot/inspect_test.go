package main

import (
	"strings"
	"testing"
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
		{ws + " --hex --stream 0", exitDone, []string{"81 05 68 65 6c 6c 6f"}},
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
