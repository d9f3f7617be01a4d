package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pitot-io/pitot/internal/config"
)

// inNamespace names the variable by which this test knows that it runs in a
// network of its own.
const inNamespace = "PITOT_TEST_NETNS"

// Redirected connections go where they were meant to, by IPv4 and IPv6, and say
// so in spans. The test runs itself again in a network namespace, where rules of
// netfilter harm nobody.
func TestTransparentRedirect(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		again(t, "add table ip probe")
		return
	}
	for _, c := range []struct{ family, meant, at string }{
		{"ip", "203.0.113.7", "127.0.0.1"}, {"ip6", "2001:db8::7", "::1"},
	} {
		command(t, "ip", "address", "add", c.meant+map[string]string{"ip": "/32", "ip6": "/128"}[c.family], "dev", "lo", "nodad")
		up := listenOn(t, net.JoinHostPort(c.meant, "0"))
		r := run(t, func(cfg *config.Config) {
			l := &cfg.Listeners[0]
			l.Address, l.Transparent = net.JoinHostPort(c.at, "0"), config.Redirected
			cfg.Clusters[0].Endpoints = config.Addresses(config.OriginalDestination)
		}, "")
		at := netip.MustParseAddrPort(r.Addr("main").String())
		// pitot's own connections are the ones that are marked by who runs it.
		command(t, "nft", "add", "table", c.family, "pitot")
		command(t, "nft", "add", "chain", c.family, "pitot", "out", "{ type nat hook output priority -100; }")
		command(t, "nft", "add", "rule", c.family, "pitot", "out", "meta", "mark", "7", "tcp", "dport", fmt.Sprint(up.Port()), "redirect", "to", fmt.Sprintf(":%d", at.Port()))
		conn := dialMarked(t, up)
		say(t, conn, "hello")
		hear(t, conn, "hello")
		conn.Close()
		if x := r.next(); x.Server != up || x.Endpoint != up.String() || x.RequestBytes != 5 {
			t.Errorf("%s: an exchange of %s at %s", c.family, x.Server, x.Endpoint)
		}
		if err := r.turnedAway(); !isReset(err) { // who was not redirected
			t.Errorf("%s: a direct connection ended with %v", c.family, err)
		}
		r.stop()
	}
}

// Connections that pass by are taken in their servers' place by TPROXY, without
// a translation of addresses, and go on to where they were meant to. What the
// machine itself sends is led past pitot by way of its loopback.
func TestTransparentProxy(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		again(t, "add table ip probe; add chain ip probe pre { type filter hook prerouting priority mangle; }; add rule ip probe pre tcp dport 1 tproxy to :2")
		return
	}
	for _, c := range []struct{ family, option, meant, any string }{
		{"ip", "-4", "203.0.113.8", "0.0.0.0"}, {"ip6", "-6", "2001:db8::8", "::"},
	} {
		command(t, "ip", "address", "add", c.meant+map[string]string{"ip": "/32", "ip6": "/128"}[c.family], "dev", "lo", "nodad")
		up := listenOn(t, net.JoinHostPort(c.meant, "0"))
		r := run(t, func(cfg *config.Config) {
			l := &cfg.Listeners[0]
			l.Address, l.Transparent = net.JoinHostPort(c.any, "0"), config.TProxy
			cfg.Clusters[0].Endpoints = config.Addresses(config.OriginalDestination)
		}, "")
		at := netip.MustParseAddrPort(r.Addr("main").String())
		command(t, "ip", c.option, "rule", "add", "fwmark", "7", "lookup", "100")
		command(t, "ip", c.option, "route", "add", "local", "default", "dev", "lo", "table", "100")
		command(t, "nft", "add", "table", c.family, "passing")
		command(t, "nft", "add", "chain", c.family, "passing", "pre", "{ type filter hook prerouting priority mangle; }")
		command(t, "nft", "add", "rule", c.family, "passing", "pre", "meta", "mark", "7", "tcp", "dport", fmt.Sprint(up.Port()), "tproxy", "to", fmt.Sprintf(":%d", at.Port()))
		conn := dialMarked(t, up)
		say(t, conn, "hello")
		hear(t, conn, "hello")
		if got := conn.RemoteAddr().String(); got != up.String() {
			t.Errorf("%s: the client speaks with %s", c.family, got)
		}
		client := netip.MustParseAddrPort(conn.LocalAddr().String())
		conn.Close()
		if x := r.next(); x.Server != up || x.Client != client || x.Endpoint != up.String() || x.RequestBytes != 5 {
			t.Errorf("%s: an exchange of %s with %s at %s", c.family, x.Client, x.Server, x.Endpoint)
		}
		if err := r.turnedAway(); !isReset(err) { // who came here himself
			t.Errorf("%s: a direct connection ended with %v", c.family, err)
		}
		r.stop()
	}
}

// again runs this test in a namespace of its own, where that can be and
// netfilter knows rules like probe.
func again(t *testing.T, probe string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	for _, tool := range []string{"ip", "nft", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: %v", tool, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "unshare", "--net", "nft", probe).CombinedOutput(); err != nil {
		t.Skipf("no netfilter in a namespace: %v %s", err, out)
	}
	cmd := exec.CommandContext(ctx, "unshare", "--net", "sh", "-c", `ip link set lo up && exec "$0" "$@"`, os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a namespace: %v\n%s", err, out)
	}
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v %s", name, args, err, out)
	}
}

// listenOn echoes at an address.
func listenOn(t *testing.T, address string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-over })
	return netip.MustParseAddrPort(l.Addr().String())
}

// dialMarked connects as one whose packets netfilter redirects.
func dialMarked(t *testing.T, to netip.AddrPort) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: patience, ControlContext: func(_ context.Context, _, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, 7) })
	}}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}
