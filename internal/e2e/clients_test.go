package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// tool is the path of a program, without which the test is left out.
func tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("needs %s", strings.Join(names, " or "))
	return ""
}

func command(t *testing.T, seconds time.Duration, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	var e *exec.ExitError
	if errors.As(err, &e) {
		stderr = string(e.Stderr)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(name), err, out, stderr)
	}
	return string(out), stderr
}

func TestCurlIsServed(t *testing.T) {
	curl := tool(t, "curl")
	e := startEvery(t, "", "", "")
	_, port, _ := strings.Cut(e.at("secure"), ":")
	secure := []string{"--cacert", e.ca.file, "--resolve", "shop.test:" + port + ":127.0.0.1"}
	urls := map[string][]string{"http://" + e.at("plain"): {"--http1.1"}, "http://" + e.at("plain") + "/": {"--http2-prior-knowledge"},
		"https://shop.test:" + port: append(secure, "--http1.1"), "https://shop.test:" + port + "/": append(secure, "--http2")}
	for base, options := range urls {
		base = strings.TrimSuffix(base, "/")
		run := func(args ...string) string {
			out, _ := command(t, 30, curl, append(append([]string{"-sS", "--fail"}, options...), args...)...)
			return out
		}
		t.Run(strings.Join(options, " "), func(t *testing.T) {
			for _, cluster := range []string{"h1", "h2", "h1s", "h2s"} {
				file := filepath.Join(t.TempDir(), "file.bin")
				run("-o", file, "--range", "0-499999", base+"/"+cluster+"/file")
				run("-o", file, "-C", "-", base+"/"+cluster+"/file") // resumes
				if b, err := os.ReadFile(file); err != nil || string(b) != strings.Repeat("0123456789", 100000) {
					t.Errorf("to %s: a resumed download has %d bytes, %v", cluster, len(b), err)
				}
				if got := run("-T", file, base+"/"+cluster+"/sum"); !strings.HasPrefix(got, "1000000 ") {
					t.Errorf("to %s: upload: %s", cluster, got)
				}
				if got := run("-H", "Expect: 100-continue", "-T", file, base+"/"+cluster+"/sum"); !strings.HasPrefix(got, "1000000 ") {
					t.Errorf("to %s: upload that waits: %s", cluster, got)
				}
				if got := run("-I", "-w", "%{http_code}", base+"/"+cluster+"/file"); !strings.HasSuffix(got, "200") {
					t.Errorf("to %s: HEAD: %s", cluster, got)
				}
			}
		})
	}
}

func TestNodeIsServed(t *testing.T) {
	npm, node := tool(t, "npm"), tool(t, "node")
	e := startEvery(t, "", "", "")
	dir := t.TempDir()
	for _, f := range []string{"package.json", "package-lock.json", "main.mjs"} {
		b, err := os.ReadFile(filepath.Join("node", f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command(t, 120, npm, "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	out, _ := command(t, 60, node, filepath.Join(dir, "main.mjs"), e.at("plain"), e.at("secure"), e.ca.file)
	var got struct {
		HTTP1, HTTPS  string
		HTTP2, HTTP2s int
		GRPC, GRPCs   []int
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.HasPrefix(got.HTTP1, "1048576 ") || !strings.HasPrefix(got.HTTPS, "1048576 ") {
		t.Errorf("uploads of 1 MiB over HTTP/1.1: %q, %q", got.HTTP1, got.HTTPS)
	}
	if got.HTTP2 != 100*100000 || got.HTTP2s != 100*100000 {
		t.Errorf("HTTP/2 gave %d and %d bytes of %d", got.HTTP2, got.HTTP2s, 100*100000)
	}
	want := fmt.Sprint(append(make([]int, 50), 12)) // the last method is unimplemented
	if fmt.Sprint(got.GRPC) != want || fmt.Sprint(got.GRPCs) != want {
		t.Errorf("gRPC gave statuses %v and %v, want %s", got.GRPC, got.GRPCs, want)
	}
}

var h2loadDone = regexp.MustCompile(`requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored`)

func TestH2loadIsServed(t *testing.T) {
	h2load := tool(t, "h2load")
	e := startEvery(t, "", "", "")
	for _, cluster := range []string{"h1", "h2"} {
		for _, base := range []string{"http://" + e.at("plain"), "https://" + e.at("secure")} {
			out, _ := command(t, 60, h2load, "-n", "5000", "-c", "10", "-m", "50", base+"/"+cluster+"/bytes/1000")
			if m := h2loadDone.FindStringSubmatch(out); m == nil || m[2] != "5000" {
				t.Errorf("%s to %s: %s", base, cluster, tail(out, 12))
			}
		}
	}
}

// parts is how many resources the page loads.
const parts = 200

func servePage(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, `<!doctype html><title>shop</title><link rel="icon" href="data:,"><p id="n">0<script>
let n = 0; function loaded() { document.getElementById("n").textContent = "loaded " + ++n }
for (let i = 0; i < %d; i++) { const s = document.createElement("script"); s.src = "part/" + i; document.head.append(s) }
</script>`, parts)
}

// A browser loads a page of many resources over one connection of HTTP/2, and
// has nothing to complain of.
func TestChromiumLoadsAPage(t *testing.T) {
	chromium := tool(t, "chromium", "chromium-browser", "google-chrome")
	e := startEvery(t, "", "", "sinks: {json: {file: \"-\"}}\n")
	_, port, _ := strings.Cut(e.at("secure"), ":")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--host-resolver-rules=MAP shop.test 127.0.0.1:"+port, "--ignore-certificate-errors",
		"--enable-logging=stderr", "--virtual-time-budget=30000", "--dump-dom", "https://shop.test/h1/page")
	var log strings.Builder
	cmd.Stderr = &log
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(log.String(), 20))
	}
	if want := fmt.Sprintf("loaded %d<", parts); !strings.Contains(string(dom), want) {
		t.Errorf("the page does not say %q:\n%s", want, tail(string(dom), 5))
	}
	if strings.Contains(log.String(), "CONSOLE") {
		t.Errorf("the browser's console: %s", log.String())
	}
	e.stop()
	if n := strings.Count(e.output(), `"protocol":"h2"`); n < parts+1 {
		t.Errorf("%d spans of HTTP/2 for %d resources", n, parts+1)
	}
}
