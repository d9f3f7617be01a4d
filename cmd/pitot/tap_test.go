package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/testkit"
)

func TestTapSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"tap -i lo -f port", exitUsage, "-f: at column 5: what follows port is missing"},
		{"tap -i lo --filter status>>1", exitUsage, "--filter: "},
		{"tap -i lo --ring much", exitUsage, `--ring: size "much"`},
		{"tap -i lo --rotate-size 1MiB", exitUsage, "about --write FILE, which is missing"},
		{"tap -i lo --write x --rotate-keep 2", exitUsage, "--rotate-keep needs --rotate-size or --rotate-time"},
		{"tap -i lo --json --write -", exitUsage, "both want standard output"},
		{"tap -i lo --json --json-file x", exitUsage, "choose one"},
		{"tap -i lo --workers -1", exitUsage, "cannot be negative"},
		{"tap -i lo --services x", exitUsage, "--services"},
		{"tap -i lo --store nonsense", exitUsage, "--store"},
		{"tap lo", exitUsage, "tap"},
		{"tap", exitUsage, "name an interface to capture from with -i, or any for all of them; there are "},
		{"tap -i eht0", exitFailed, `there is no interface "eht0"`},
	} {
		if runtime.GOOS != "linux" && (c.code == exitFailed || c.args == "tap") {
			continue
		}
		if _, stderr, code := pitot(t, strings.Fields(c.args)...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: %d %s", c.args, code, stderr)
		}
	}
}

// tapping is a pitot tap that runs on its own.
type tapping struct {
	cmd    *exec.Cmd
	stderr *bufio.Scanner
	stdout bytes.Buffer
	said   []string
	admin  string
}

// startTap starts pitot tap and waits until it captures. Where that is not
// allowed the test is skipped.
func startTap(t *testing.T, args ...string) *tapping {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &tapping{cmd: exec.Command(program, append([]string{"tap", "--store", "none"}, args...)...)}
	p.cmd.Stdout = &p.stdout
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // when it runs still
	p.stderr = bufio.NewScanner(pipe)
	for p.stderr.Scan() {
		p.said = append(p.said, p.stderr.Text())
		if strings.Contains(p.stderr.Text(), "msg=capturing") {
			return p
		}
	}
	_ = p.cmd.Wait() // what it said tells more
	said := strings.Join(p.said, "\n")
	if strings.Contains(said, "CAP_NET_RAW") || strings.Contains(said, "needs Linux") {
		t.Skip("capturing is not allowed here: ", said)
	}
	t.Fatal(said)
	return nil
}

// stop ends it as Ctrl-C would.
func (p *tapping) stop(t *testing.T) (stdout, stderr string) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	return p.wait(t)
}

func (p *tapping) wait(t *testing.T) (stdout, stderr string) {
	t.Helper()
	for p.stderr.Scan() {
		p.said = append(p.said, p.stderr.Text())
	}
	stderr = strings.Join(p.said, "\n")
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr)
	}
	return p.stdout.String(), stderr
}

// spansOf are the spans among JSON Lines, by their names.
func spansOf(t *testing.T, text string) map[string]int {
	t.Helper()
	all := map[string]int{}
	for line := range strings.Lines(text) {
		var s struct{ Kind, Name string }
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if s.Kind == "span" {
			all[s.Name]++
		}
	}
	return all
}

// origin answers anything; load asks it from many clients.
func origin(t *testing.T) (port string, load func(clients, each int)) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return port, func(clients, each int) {
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for range each {
					a, err := (&http.Client{Transport: transport}).Get(s.URL + "/cart/7")
					if err != nil {
						t.Error(err)
						return
					}
					_ = a.Body.Close()
				}
			})
		}
		wg.Wait()
	}
}

// TestTapSeesEverything: every request of some thousand a second is a span,
// the packets are written too, and a replay of them gives the same spans.
func TestTapSeesEverything(t *testing.T) {
	port, load := origin(t)
	file := filepath.Join(t.TempDir(), "seen.pcapng")
	p := startTap(t, "-i", "lo", "-f", "tcp port "+port, "--json", "--admin", "none", "--write", file, "--services", "127.0.0.1:"+port+"=shop")
	const clients, each = 8, 500
	load(clients, each)
	stdout, stderr := p.stop(t)
	if got := spansOf(t, stdout)["GET /cart/{id}"]; got != clients*each {
		t.Errorf("%d spans of %d\n%s", got, clients*each, stderr)
	}
	if !strings.Contains(stderr, "; 0 packets dropped by the kernel") || !strings.Contains(stdout, `"service":"shop"`) {
		t.Errorf("%s", stderr)
	}
	again, stderr, code := pitot(t, "replay", file, "--json")
	if got := spansOf(t, again)["GET /cart/{id}"]; code != exitDone || got != clients*each {
		t.Errorf("the written packets give %d spans of %d\n%s", got, clients*each, stderr)
	}
}

func page(t *testing.T, url string) string {
	t.Helper()
	a, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(a.Body); err != nil {
		t.Error(err)
	}
	return text.String()
}

// TestTapIsWatched: the admin port shows the numbers and lets pitot top attach;
// --for ends the run, and the table is printed.
func TestTapIsWatched(t *testing.T) {
	port, load := origin(t)
	address := testkit.FreePort(t)
	p := startTap(t, "-i", "lo", "-f", "tcp port "+port, "--admin", address, "--filter", "status:200", "--for", "3s")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/tap?limit=5", nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	load(1, 5)
	var text bytes.Buffer
	_, err = text.ReadFrom(a.Body)
	if got := spansOf(t, text.String())["GET /cart/{id}"]; err != nil || got != 5 {
		t.Errorf("%v: %s", err, text.String())
	}
	numbers := ""
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && (numbers == "" || strings.Contains(numbers, "capture.lo.packets: 0\n")); {
		numbers = page(t, "http://"+address+"/stats?filter=capture") // they are renewed five times a second
	}
	if !strings.Contains(numbers, "capture.lo.kernel_dropped: 0") || strings.Contains(numbers, "capture.lo.packets: 0\n") {
		t.Error(numbers)
	}
	stdout, stderr := p.wait(t)
	http.DefaultClient.CloseIdleConnections()
	if !strings.Contains(stdout, "GET /cart/{id}") || !strings.Contains(stdout, "5 exchanges on ") {
		t.Errorf("%s\n%s", stdout, stderr)
	}
}
