package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/tap/pcapfile"
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

// An export of what a key log decrypted opens decrypted, here and elsewhere,
// with the keys of its connections and no others.
func TestExportCarriesItsSecrets(t *testing.T) {
	keys, err := os.ReadFile(httpsKeys)
	if err != nil {
		t.Fatal(err)
	}
	log, out := filepath.Join(t.TempDir(), "keys.log"), filepath.Join(t.TempDir(), "out.pcapng")
	strange := "CLIENT_RANDOM " + strings.Repeat("5e", 32) + " " + strings.Repeat("c7", 48) + "\n"
	if err := os.WriteFile(log, append([]byte(strange), keys...), 0o600); err != nil {
		t.Fatal(err)
	}
	want := plainSpans(t, httpsCapture, "--keylog", log, "--pcapng", out)
	if got := plainSpans(t, out); !slices.Equal(got, want) {
		t.Errorf("%d spans after the export, want %d", len(got), len(want))
	}
	written, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(written, []byte("5e5e5e")) {
		t.Error("a key that decrypts nothing of it is in the export")
	}
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark")
	}
	text, err := exec.Command(tshark, "-r", out, "-Y", "http.request", "-T", "fields", "-e", "http.request.uri").Output()
	if err != nil || !strings.Contains(string(text), "/cart/7\n") {
		t.Errorf("tshark decrypts %q: %v", text, err)
	}
}

// Interfaces and comments of packets are those of the capture.
func TestExportKeepsInterfacesAndComments(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in.pcapng")
	plain, err := pcapfile.Open(testdata+"/http1-curl.pcap", nil, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	var file bytes.Buffer
	w := pcapfile.NewWriter(&file, pcapfile.Section{})
	ifs := []pcapfile.Interface{{Link: 1, Name: "eth0", Text: "outside", Digits: 6}, {Link: 1, Name: "eth1", Number: 1, Digits: 9, Filter: "tcp"}}
	for _, i := range ifs {
		if _, err := w.AddInterface(i); err != nil {
			t.Fatal(err)
		}
	}
	var rec pcapfile.Record
	for n := 0; plain.Next(&rec) == nil; n++ {
		if err := w.Packet(pcapfile.Packet{Interface: n % 2, Time: rec.Time, Data: rec.Data, Comments: []string{fmt.Sprint("packet ", n)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Flush(), os.WriteFile(in, file.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.pcapng")
	if _, stderr, code := pitot(t, "replay", in, "--json", "--pcapng", out); code != exitDone {
		t.Fatal(stderr)
	}
	got, err := pcapfile.Open(out, nil, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	n, own := 0, 0
	for ; got.Next(&rec) == nil; n++ {
		if *rec.Interface != ifs[n%2] || len(rec.Comments) == 0 || rec.Comments[0].Text != fmt.Sprint("packet ", n) {
			t.Fatalf("packet %d: %+v %q", n, *rec.Interface, rec.Comments)
		}
		own += len(rec.Comments) - 1
	}
	if n != 95 || own != 12 {
		t.Errorf("%d packets, %d comments on exchanges", n, own)
	}
}
