package inherit

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// roleVariable makes this test's program the successor that a test starts.
const roleVariable = "PITOT_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(successor(role))
	}
	goleak.VerifyTestMain(m)
}

// successor answers one connection on each socket that it was given.
func successor(role string) int {
	switch role {
	case "dies": // without having touched its sockets
		return 3
	case "hangs":
		time.Sleep(time.Minute) // until it is killed
	}
	s, err := FromEnvironment()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	web, db := s.Take("web", ""), s.Take("", os.Getenv("PITOT_TEST_DB"))
	if web == nil || db == nil || len(s.Left()) != 0 {
		fmt.Fprintln(os.Stderr, "sockets are missing; left:", s.Left())
		return 1
	}
	s.Ready()
	for _, l := range []net.Listener{web, db} {
		c, err := l.Accept()
		if err != nil {
			return 1
		}
		fmt.Fprintf(c, "%d", os.Getppid())
		_ = c.Close()
	}
	return 0
}

func listen(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// self starts this program as a successor of the role.
func self(t *testing.T, ctx context.Context, role string, sockets ...Named) error {
	t.Helper()
	t.Setenv(roleVariable, role)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := Start(ctx, program, nil, sockets)
	if err == nil && (pid <= 1 || pid == os.Getpid()) {
		t.Errorf("process id %d", pid)
	}
	return err
}

// A connection that was made before the successor started is served by it,
// though the sockets are closed here.
func TestASuccessorServesWhoWaits(t *testing.T) {
	web, db := listen(t), listen(t)
	t.Setenv("PITOT_TEST_DB", db.Addr().String())
	var waiting []net.Conn
	for _, l := range []net.Listener{web, db} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		waiting = append(waiting, c)
	}
	if err := self(t, t.Context(), "serves", Named{"web", web}, Named{"db:27017", db}); err != nil {
		t.Fatal(err)
	}
	_, _ = web.Close(), db.Close()
	for _, c := range waiting {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if b, err := io.ReadAll(c); err != nil || string(b) != fmt.Sprint(os.Getpid()) {
			t.Errorf("read %q, %v; want our process id", b, err)
		}
	}
}

func TestASuccessorThatFailsIsTold(t *testing.T) {
	if err := self(t, t.Context(), "dies", Named{"web", listen(t)}); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("one that dies: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := self(t, ctx, "hangs", Named{"web", listen(t)}); err == nil || !strings.Contains(err.Error(), "did not listen") {
		t.Errorf("one that hangs: %v", err)
	}
}

// A socket that blocks would hold an Accept, and the Close after it, until
// somebody connects: a drained process would not end.
func TestASocketHandedOnDoesNotBlockUs(t *testing.T) {
	l := listen(t)
	if err := self(t, t.Context(), "dies", Named{"web", l}); err == nil {
		t.Fatal("a successor that dies is no error")
	}
	if n, err := unix.FcntlInt(descriptor(t, l), unix.F_GETFL, 0); err != nil || n&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#x, %v: the socket blocks", n, err)
	}
}

func descriptor(t *testing.T, l net.Listener) (fd uintptr) {
	t.Helper()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(s uintptr) { fd = s }); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestOnlyOurOwnSocketsAreTaken(t *testing.T) {
	t.Setenv(countVariable, "1")
	t.Setenv(pidVariable, "1") // of somebody else
	s, err := FromEnvironment()
	if err != nil || len(s.Left()) != 0 {
		t.Errorf("took %v, %v", s.Left(), err)
	}
	if _, set := os.LookupEnv(countVariable); set {
		t.Error("children would see the variables")
	}
	t.Setenv(countVariable, "many")
	t.Setenv(pidVariable, fmt.Sprint(os.Getpid()))
	if _, err := FromEnvironment(); err == nil {
		t.Error("a count that is no number is taken")
	}
}

func TestSocketsAreKnownByTheirAddress(t *testing.T) {
	tcp := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
	for _, c := range []struct {
		a       net.Addr
		address string
		want    bool
	}{
		{tcp("127.0.0.1", 80), "127.0.0.1:80", true},
		{tcp("127.0.0.1", 80), "127.0.0.1:81", false},
		{tcp("::", 80), ":80", true},
		{tcp("127.0.0.1", 80), ":80", false},
		{tcp("::1", 80), "[::1]:80", true},
		{&net.UnixAddr{Name: "/run/p.sock", Net: "unix"}, "unix:/run/p.sock", true},
		{&net.UnixAddr{Name: "/run/p.sock", Net: "unix"}, "/run/p.sock:80", false},
	} {
		if got := same(c.a, c.address); got != c.want {
			t.Errorf("%s as %q: %v", c.a, c.address, got)
		}
	}
}
