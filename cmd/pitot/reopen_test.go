package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SIGUSR1 after a rename has the access log go on in a new file.
func TestAccessLogIsRotated(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer origin.Close()
	dir := t.TempDir()
	name := filepath.Join(dir, "access.log")
	file := filepath.Join(dir, "pitot.yaml")
	text := fmt.Sprintf("listeners:\n- address: 127.0.0.1:0\n  protocol: http\n  cluster: web\n  access_log:\n  - {file: %q, text: \"file %%PATH%%\"}\n"+
		"  - {file: \"-\", json: {path: \"%%PATH%%\"}}\nclusters: [{name: web, endpoints: [%q]}]\nadmin: {address: none}\nstore: {dsn: none}\n",
		name, strings.TrimPrefix(origin.URL, "http://"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stdout, out := lines(t)
	stderr, log := lines(t)
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"proxy", "-c", file}, strings.NewReader(""), stdout, stderr)
		stdout.Close()
		stderr.Close()
	}()
	address := log(`msg=listening .*address=(\S+)`)[1]
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	get := func(path string) {
		t.Helper()
		resp, err := client.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	get("/before")
	out(`^{"path":"/before"}`)
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	log(`access logs are open again`)
	get("/after")
	out(`^{"path":"/after"}`)
	stop()
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d", c)
	}
	for path, want := range map[string]string{name + ".1": "file /before\n", name: "file /after\n"} {
		if got, err := os.ReadFile(path); string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}
