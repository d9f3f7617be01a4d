package desync

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startPeers starts what is installed of nginx and HAProxy, each with n ports
// before n origins, and gives them by number.
func startPeers(t *testing.T, n int) [][]*front {
	t.Helper()
	all := make([][]*front, n)
	for _, p := range []struct {
		name  string
		write func(dir string, fronts []*front) (file, text string, args []string)
	}{{"nginx", nginx}, {"haproxy", haproxy}} {
		path, err := exec.LookPath(p.name)
		if err != nil {
			t.Logf("without %s, which is not installed", p.name)
			continue
		}
		for i, f := range startPeer(t, path, p.name, n, p.write) {
			all[i] = append(all[i], f)
		}
	}
	return all
}

// startPeer starts one on Unix sockets of its own, which nobody else can take.
func startPeer(t *testing.T, path, name string, n int, write func(string, []*front) (string, string, []string)) (fronts []*front) {
	t.Helper()
	dir, err := os.MkdirTemp("", "peer") // short: a socket's path has little more than 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for i := range n {
		fronts = append(fronts, &front{
			name: name, origin: newOrigin(t), host: newHost(t), network: "unix",
			addr: filepath.Join(dir, fmt.Sprint(i)), h2: filepath.Join(dir, fmt.Sprint(i, "h2")),
		})
	}
	file, text, args := write(dir, fronts)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	runs(t, exec.Command(path, args...), fronts)
	return fronts
}

// runs starts cmd, which ends with the test, and waits until it listens on all
// its sockets.
func runs(t *testing.T, cmd *exec.Cmd, fronts []*front) {
	t.Helper()
	said := new(strings.Builder)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", cmd.Path, said)
		case <-late:
			t.Fatalf("%s does not listen", cmd.Path)
		case <-tick.C:
			if listening(fronts) {
				return
			}
		}
	}
}

func listening(fronts []*front) bool {
	for _, f := range fronts {
		for _, addr := range []string{f.addr, f.h2} {
			c, err := net.Dial(f.network, addr)
			if err != nil {
				return false
			}
			c.Close()
		}
	}
	return true
}

func nginx(dir string, fronts []*front) (file, text string, args []string) {
	var b strings.Builder
	fmt.Fprintf(&b, "daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log; events { worker_connections 512; }\n", dir)
	fmt.Fprintf(&b, "http { access_log off; client_header_timeout %[1]dms; client_body_timeout %[1]dms; keepalive_timeout %[2]dms; lingering_close off;\n", part.Milliseconds(), next.Milliseconds())
	fmt.Fprintf(&b, "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host; client_max_body_size 4k;\n")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	for _, f := range fronts {
		fmt.Fprintf(&b, "server { listen unix:%s; listen unix:%s http2; location / { proxy_pass http://%s; } }\n", f.addr, f.h2, f.origin.addr)
	}
	b.WriteString("}\n")
	file = filepath.Join(dir, "nginx.conf")
	return file, b.String(), []string{"-c", file, "-p", dir}
}

func haproxy(dir string, fronts []*front) (file, text string, args []string) {
	return haproxyTo(dir, fronts, func(f *front) string { return f.origin.addr })
}

// haproxy2 speaks HTTP/2 with hosts.
func haproxy2(dir string, fronts []*front) (file, text string, args []string) {
	return haproxyTo(dir, fronts, func(f *front) string { return f.host.addr + " proto h2" })
}

func haproxyTo(dir string, fronts []*front, server func(*front) string) (file, text string, args []string) {
	var b strings.Builder
	b.WriteString("global\n nbthread 1\ndefaults\n mode http\n option http-server-close\n http-reuse never\n retries 0\n timeout connect 2s\n timeout server 700ms\n")
	fmt.Fprintf(&b, " timeout client %[1]dms\n timeout http-request %[1]dms\n timeout http-keep-alive %[2]dms\n", part.Milliseconds(), next.Milliseconds())
	for i, f := range fronts {
		fmt.Fprintf(&b, "listen l%d\n bind unix@%s\n bind unix@%s proto h2\n server s %s\n", i, f.addr, f.h2, server(f))
	}
	file = filepath.Join(dir, "haproxy.cfg")
	return file, b.String(), []string{"-db", "-q", "-f", file}
}
