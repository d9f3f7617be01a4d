package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadInput: what cannot be read gives one clear line that says where and
// what to do, and the right exit code.
func TestBadInput(t *testing.T) {
	whole, err := os.ReadFile(testdata + "/http1-curl.pcap")
	if err != nil {
		t.Fatal(err)
	}
	corrupt := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(corrupt[24+8:], 0xffffff) // the first packet's length
	for _, c := range []struct {
		name    string
		content []byte
		code    int
		says    string
		spans   bool
	}{
		{"truncated", whole[:len(whole)-7], exitDone, "the file ends inside a record; everything before it was read", true},
		{"only a header", whole[:24], exitDone, "0 exchanges on 0 connections", false},
		{"corrupt", corrupt, exitFailed, "at byte 24: a packet of 16777215 bytes is claimed", false},
		{"empty", nil, exitFailed, "at byte 0: the file is empty; capture again", false},
		{"text", []byte("this is no capture at all\n"), exitFailed, "at byte 0: this is no capture file; pitot replay reads pcap and pcapng", false},
		{"gzip'd", zipped(whole), exitDone, "", true},
		{"cut gzip", zipped(whole)[:len(zipped(whole))-9], exitDone, "the file ends inside a record", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.pcap")
			if err := os.WriteFile(file, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, code := pitot(t, "replay", file, "--json")
			if code != c.code || !strings.Contains(stderr, c.says) || c.spans != (stdout != "") {
				t.Errorf("exit %d, %d bytes of spans, said %q", code, len(stdout), stderr)
			}
			if c.code == exitFailed && !strings.Contains(stderr, file) {
				t.Errorf("the file is not named: %q", stderr)
			}
		})
	}
}

func zipped(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b) // a bytes.Buffer takes everything
	w.Close()
	return z.Bytes()
}

// TestReplayUsage: mistakes on the command line are told before any file is read.
func TestReplayUsage(t *testing.T) {
	for args, says := range map[string]string{
		"replay - -":                        "standard input (-) can be read once only",
		"replay x --speed fast":             `speed "fast" is unknown: say max, 1x, 4x or 0.5x`,
		"replay x --speed 0x":               "say max, 1x, 4x or 0.5x",
		"replay x --shift-time today":       "say keep or now",
		"replay x --services shop=10.0.0.1": "is not address=name",
		"replay x --services 10.0.0.1":      "is not address=name",
	} {
		if _, stderr, code := pitot(t, strings.Fields(args)...); code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("pitot %s: exit %d, %q", args, code, stderr)
		}
	}
}

// TestReplayFlags: each flag does what it says, on the same capture.
func TestReplayFlags(t *testing.T) {
	file := testdata + "/http1-curl.pcap"
	plain, _, _ := pitot(t, "replay", file, "--json")
	spans := strings.Count(plain, `"kind":"span"`)
	if spans < 5 {
		t.Fatalf("only %d spans", spans)
	}
	out := filepath.Join(t.TempDir(), "out.jsonl")
	table, _, code := pitot(t, "replay", file, "--json-file", out, "--store", "none")
	if written, err := os.ReadFile(out); err != nil || string(written) != plain || code != exitDone {
		t.Errorf("--json-file wrote %d bytes, not %d: %v", len(written), len(plain), err)
	}
	for _, want := range []string{"SERVICE", "CALLS", "GET /", "exchanges on"} {
		if !strings.Contains(table, want) {
			t.Errorf("the summary has no %q:\n%s", want, table)
		}
	}
	if got, _, _ := pitot(t, "replay", file, "--json", "--filter", "method=POST"); strings.Count(got, `"http.request.method":"POST"`) != strings.Count(got, `"kind":"span"`) || got == "" {
		t.Errorf("--filter method=POST gave\n%.500s", got)
	}
	if got, _, _ := pitot(t, "replay", file, "--json", "--capture", "before", "--services", "127.0.0.1=shop"); strings.Count(got, `"service":"shop"`) != spans || strings.Count(got, `"pitot.capture.id":"before"`) != spans {
		t.Errorf("--capture and --services gave\n%.500s", got)
	}
	if got, _, _ := pitot(t, "replay", file, "--json", "--speed", "1000000x"); got != plain {
		t.Error("the speed changes what is told")
	}
	if got, _, _ := pitot(t, "replay", file, "--json", "--shift-time", "now"); strings.Count(got, `"kind":"span"`) != spans || got == plain {
		t.Error("--shift-time now changes nothing, or too much")
	}
}

// TestReplayStore: a store that cannot be is told before anything is read.
func TestReplayStore(t *testing.T) {
	file := testdata + "/http1-curl.pcap"
	for _, c := range []struct {
		dsn, says string
		code      int
	}{
		{"nonsense", "want clickhouse://HOST:9000, http://HOST:8123 or https://HOST:8443; embedded is the one of this machine", exitUsage},
		{"http://127.0.0.1:1", "store 127.0.0.1:1 cannot be reached: dial tcp 127.0.0.1:1: connect: connection refused (is it running?", exitFailed},
		{"clickhouse://127.0.0.1:1", "cannot be reached", exitFailed},
	} {
		dsn, says := c.dsn, c.says
		stdout, stderr, code := pitot(t, "replay", file, "--json", "--store", dsn)
		if code != c.code || stdout != "" || !strings.Contains(stderr, says) {
			t.Errorf("--store %s: exit %d, %d bytes on stdout, %q", dsn, code, len(stdout), stderr)
		}
	}
}
