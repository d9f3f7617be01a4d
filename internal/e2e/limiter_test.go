package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The rate limit service of envoyproxy, with Redis, is the real thing that
// pitot has to get on with.

// serviceLimits are counted by day, so that no window ends under the test.
const serviceLimits = `
domain: web
descriptors:
- key: tenant
  rate_limit: {unit: day, requests_per_unit: 2}
- key: tenant
  value: gold
  rate_limit: {unit: day, requests_per_unit: 5}
- key: tenant
  value: shadow
  rate_limit: {unit: day, requests_per_unit: 1}
  shadow_mode: true
- key: plan
  value: batch
  descriptors:
  - key: remote_address
    rate_limit: {unit: day, requests_per_unit: 10}
- key: grpc_method
  value: grpc.health.v1.Health/Check
  rate_limit: {unit: day, requests_per_unit: 1}
- key: quiet
  rate_limit: {unit: day, requests_per_unit: 1}
`

// serviceBinary is the service, made once.
var serviceBinary struct {
	once sync.Once
	file string
	err  error
}

// child is a program that a test needs.
type child struct {
	cmd *exec.Cmd
	out bytes.Buffer
	end sync.Once
}

// runChild starts a program, which is stopped when the test is over.
func runChild(t *testing.T, env []string, name string, args ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(name, args...)}
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.stop(); t.Failed() {
			t.Logf("%s said:\n%s", name, tail(c.out.String(), 30))
		}
	})
	return c
}

// stop kills the program: nobody is told that it goes.
func (c *child) stop() {
	c.end.Do(func() {
		_ = c.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
		_ = c.cmd.Wait()                          // killed
	})
}

// limiter is a rate limit service that can be stopped and started again.
type limiter struct {
	*child
	folder, address string
	ports           [3]string
}

func newLimiter(t *testing.T) *limiter {
	t.Helper()
	redis, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed; Debian has it in the package of that name")
	}
	binary(t) // makes the folder
	serviceBinary.once.Do(func() {
		serviceBinary.file = filepath.Join(built.folder, "ratelimit")
		cmd := exec.Command("go", "build", "-o", serviceBinary.file, "github.com/envoyproxy/ratelimit/src/service_cmd")
		if out, err := cmd.CombinedOutput(); err != nil {
			serviceBinary.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if serviceBinary.err != nil {
		t.Fatal(serviceBinary.err)
	}
	l := &limiter{folder: t.TempDir()}
	socket := filepath.Join(l.folder, "redis.sock")
	runChild(t, nil, redis, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", l.folder)
	eventually(t, "Redis listens", func() bool { _, err := os.Stat(socket); return err == nil })
	if err := os.MkdirAll(filepath.Join(l.folder, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.folder, "config", "web.yaml"), []byte(serviceLimits), 0o600); err != nil {
		t.Fatal(err)
	}
	l.ports = freePorts(t)
	l.address = "127.0.0.1:" + l.ports[0]
	l.begin(t)
	return l
}

// freePorts are some that nobody listened on just now.
func freePorts(t *testing.T) (all [3]string) {
	t.Helper()
	for i := range all {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, all[i], _ = net.SplitHostPort(l.Addr().String())
	}
	return all
}

func (l *limiter) begin(t *testing.T) {
	t.Helper()
	l.child = runChild(t, []string{
		"USE_STATSD=false", "LOG_LEVEL=warn", "RUNTIME_ROOT=" + l.folder, "RUNTIME_SUBDIRECTORY=.", "RUNTIME_WATCH_ROOT=false",
		"REDIS_SOCKET_TYPE=unix", "REDIS_URL=" + filepath.Join(l.folder, "redis.sock"),
		"HOST=127.0.0.1", "GRPC_HOST=127.0.0.1", "DEBUG_HOST=127.0.0.1", "GRPC_PORT=" + l.ports[0], "PORT=" + l.ports[1], "DEBUG_PORT=" + l.ports[2],
	}, serviceBinary.file)
	eventually(t, "the rate limit service listens", func() bool {
		c, err := net.Dial("tcp", l.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
