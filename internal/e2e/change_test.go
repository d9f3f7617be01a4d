package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// nobodyNotices runs change under load and wants every request answered.
func nobodyNotices(t *testing.T, url func() string, change func()) {
	t.Helper()
	stop := make(chan struct{})
	var all sync.WaitGroup
	var done atomic.Int64
	defer func() { // also when change gives up, or the load would never end
		close(stop)
		all.Wait()
		t.Logf("%d requests", done.Load())
	}()
	for i := range 6 {
		all.Go(func() {
			// One half keeps its connections, the other makes one for each request.
			transport := &http.Transport{DisableKeepAlives: i%2 == 0}
			defer transport.CloseIdleConnections()
			c := &http.Client{Transport: transport, Timeout: 20 * time.Second}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := askOnce(c, url()); err != nil {
					t.Errorf("after %d requests: %v", done.Load(), err)
					return
				}
				done.Add(1)
			}
		})
	}
	change()
}

func askOnce(c *http.Client, url string) error {
	a, err := c.Get(url)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(a.Body)
	_ = a.Body.Close()
	if err != nil || a.StatusCode != 200 || !strings.HasPrefix(string(b), "hello") {
		return fmt.Errorf("status %s, %q, %v", a.Status, b, err)
	}
	return nil
}

const swapped = `
listeners:
  - name: web
    address: 127.0.0.1:0
    protocol: http
    routes:
      - {name: %s, match: {prefix: /}, cluster: origin}
clusters:
  - {name: origin, endpoints: [%s]}
admin: {address: 127.0.0.1:0}
`

func TestAFileIsTakenOverUnderLoad(t *testing.T) {
	one, two := origin(t), origin(t)
	p := start(t, fmt.Sprintf(swapped, "r0", one))
	file := filepath.Join(p.folder, "pitot.yaml")
	const changes = 5
	nobodyNotices(t, func() string { return "http://" + p.at("web") + "/" }, func() {
		for i := range changes {
			text := fmt.Sprintf(swapped, fmt.Sprint("r", i+1), []string{two, one}[i%2])
			if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
			if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			p.says(t, "a new configuration is in use", i+1)
		}
	})
}

// says waits until pitot has logged something so many times.
func (p *program) says(t *testing.T, what string, times int) {
	t.Helper()
	for range 600 {
		if strings.Count(p.text(), what) >= times {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("pitot does not say %q %d times:\n%s", what, times, p.text())
}

// SIGUSR2 starts the program anew on the same sockets; the old one drains.
// The successor is ended with the test.
func TestASuccessorTakesOverUnderLoad(t *testing.T) {
	p := start(t, fmt.Sprintf(swapped, "r0", origin(t)))
	nobodyNotices(t, func() string { return "http://" + p.at("web") + "/" }, func() {
		if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		p.says(t, "a successor listens", 1)
		p.says(t, "why=\"a successor has taken over\"", 1)
		time.Sleep(300 * time.Millisecond) // in which the successor alone answers
	})
}
