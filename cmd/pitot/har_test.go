package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// archive is what these tests look at in a HAR file.
type archive struct {
	Log struct {
		Version string
		Entries []struct {
			Request struct {
				Method, URL string
				HTTPVersion string
				BodySize    int64
				Headers     []struct{ Name, Value string }
			}
			Response struct {
				Status  int
				Headers []struct{ Name, Value string }
				Content struct{ Text, Encoding string }
			}
			ResourceType string `json:"_resourceType"`
			Timings      struct{ Send, Wait, Receive float64 }
			Messages     []struct {
				Type, Data string
				Time       float64
				Opcode     int
			} `json:"_webSocketMessages"`
		}
	}
}

func readArchive(t *testing.T, file string) (a archive) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return a
}

// TestHAR: one entry per HTTP exchange, with its headers, and bodies when they
// are asked for.
func TestHAR(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.har")
	spans, stderr, code := pitot(t, "replay", testdata+"/http1-curl.pcap", "--json", "--har", out)
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	a := readArchive(t, out)
	if n := strings.Count(spans, `{"kind":"span"`); len(a.Log.Entries) != n || n == 0 {
		t.Fatalf("%d entries for %d spans", len(a.Log.Entries), n)
	}
	for _, e := range a.Log.Entries {
		if len(e.Request.Headers) == 0 || e.Response.Status != 0 && len(e.Response.Headers) == 0 || e.Response.Content.Text != "" {
			t.Errorf("%+v", e)
		}
	}
	_, stderr, code = pitot(t, "replay", testdata+"/http1-curl.pcap", "--har", out, "--bodies", "64KiB", "--filter", "status:2xx")
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	bodies := 0
	for _, e := range readArchive(t, out).Log.Entries {
		if e.Response.Status/100 != 2 {
			t.Errorf("the filter lets through %+v", e)
		}
		if e.Response.Content.Text != "" {
			bodies++
		}
	}
	if bodies == 0 {
		t.Error("no bodies")
	}
}

// TestHARAgreesWithAnother compares archives with those that the captures came
// with.
func TestHARAgreesWithAnother(t *testing.T) {
	folder := filepath.Dir(oracled(t)[0]) + "/"
	for _, name := range []string{"pcap2har-http-chunked-gzip.pcap", "pcap2har-websocket.pcap"} {
		out := filepath.Join(t.TempDir(), "out.har")
		if _, stderr, code := pitot(t, "replay", folder+name, "--har", out, "--bodies", "1MiB"); code != exitDone {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		got, want := readArchive(t, out), readArchive(t, folder+"expected/"+name+".har.json")
		if len(got.Log.Entries) != len(want.Log.Entries) {
			t.Fatalf("%s: %d entries, want %d", name, len(got.Log.Entries), len(want.Log.Entries))
		}
		for i := range want.Log.Entries {
			g, w := &got.Log.Entries[i], &want.Log.Entries[i]
			if g.Request.Method != w.Request.Method || g.Request.URL != w.Request.URL || g.Request.HTTPVersion != w.Request.HTTPVersion || g.Request.BodySize != w.Request.BodySize ||
				g.Response.Status != w.Response.Status || g.Response.Content.Text != w.Response.Content.Text || g.ResourceType != w.ResourceType {
				t.Errorf("%s, entry %d: got %.400v\nwant %.400v", name, i, *g, *w)
			}
			if !slices.Equal(g.Messages, w.Messages) {
				t.Errorf("%s, entry %d: messages %v, want %v", name, i, g.Messages, w.Messages)
			}
			if len(g.Request.Headers) != len(w.Request.Headers) || len(g.Response.Headers) != len(w.Response.Headers) {
				t.Errorf("%s, entry %d: headers %v and %v", name, i, g.Request.Headers, g.Response.Headers)
			}
		}
	}
}

func TestHARFlags(t *testing.T) {
	file := testdata + "/http1-curl.pcap"
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--bodies", "64KiB"}, exitUsage, "name a file with --har"},
		{[]string{"--har", "x.har", "--bodies", "much"}, exitUsage, "--bodies: size"},
		{[]string{"--har", "x.har", "--bodies", "2MiB"}, exitUsage, "not from 0 to 1MiB"},
		{[]string{"--har", filepath.Join(t.TempDir(), "no", "x.har")}, exitFailed, "--har"},
	} {
		if _, stderr, code := pitot(t, append([]string{"replay", file}, c.args...)...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit %d: %s", c.args, code, stderr)
		}
	}
}
