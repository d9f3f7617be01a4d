package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// plainSpans are the spans of a replay without what an export cannot keep: ids and
// numbers of connections.
func plainSpans(t *testing.T, args ...string) (all []string) {
	t.Helper()
	out, stderr, code := pitot(t, append([]string{"replay", "--json"}, args...)...)
	if code != exitDone {
		t.Fatalf("pitot replay %q: exit %d: %s", args, code, stderr)
	}
	for line := range strings.Lines(out) {
		var s map[string]any
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		if s["kind"] != "span" {
			continue
		}
		for _, k := range []string{"trace_id", "span_id", "parent_span_id", "tcp_stream"} {
			delete(s, k)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	slices.Sort(all)
	return all
}

// What is exported gives the same spans again, those and no others that fit.
func TestExportedPacketsGiveTheSameSpans(t *testing.T) {
	compared := 0
	for _, file := range recorded(t) {
		for _, filter := range []string{"status:unset", "status:error or op:getMore or method:POST", "protocol:websocket", "path~8 or call_site~Cart", ""} {
			out := filepath.Join(t.TempDir(), "out.pcapng")
			args := []string{}
			if filter != "" {
				args = []string{"--filter", filter + " -error:unanswered"}
			}
			want := plainSpans(t, append(args, file, "--pcapng", out)...)
			got := plainSpans(t, append(args, out)...)
			if filter == "" { // what nobody decoded is left out
				want = slices.DeleteFunc(want, func(s string) bool { return strings.Contains(s, `"protocol":"tcp"`) })
			}
			compared += len(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %q: %d spans after the export, want %d", file, filter, len(got), len(want))
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						t.Errorf("got  %s\nwant %s", got[i], want[i])
						break
					}
				}
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d spans compared", compared)
	}
}

// An export of few exchanges is small, and others read it.
func TestExportIsSmallAndReadable(t *testing.T) {
	in, out := testdata+"/http1-curl.pcap", filepath.Join(t.TempDir(), "out.pcapng")
	stdout, stderr, code := pitot(t, "replay", in, "--store", "none", "--filter", "path:/stream", "--pcapng", out)
	if code != exitDone || !strings.Contains(stdout, "13 packets of 1 connections written to "+out) {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark")
	}
	text, err := exec.Command(tshark, "-r", out, "-T", "fields", "-e", "frame.comment", "-e", "http.request.uri", "-e", "http.response.code").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pitot: http/1.1 GET /stream, 200\t/stream\t", "\t\t200"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("tshark shows no %q:\n%s", want, text)
		}
	}
}

func TestExportRefuses(t *testing.T) {
	in := testdata + "/http1-curl.pcap"
	b, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "own.pcap")
	if err := os.WriteFile(own, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in, out string
		code    int
		says    string
	}{
		{"-", "x.pcapng", exitUsage, "reads the capture twice"},
		{"/dev/stdin", "x.pcapng", exitUsage, "reads the capture twice"},
		{own, own, exitUsage, "would overwrite the capture"},
		{in, "/nowhere/x.pcapng", exitFailed, "name a file in a folder that can be written"},
	} {
		_, stderr, code := pitot(t, "replay", c.in, "--json", "--pcapng", c.out)
		if code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%s to %s: exit %d: %s", c.in, c.out, code, stderr)
		}
	}
	if after, err := os.ReadFile(own); err != nil || string(after) != string(b) {
		t.Error("the capture was changed")
	}
}
