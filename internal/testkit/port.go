package testkit

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
	"testing"
)

// Ports to give away lie below those that systems take for outgoing connections
// and for port 0 (Linux: net.ipv4.ip_local_port_range, 32768 and up), so that
// nobody gets one by chance between FreePort and the program that is to listen
// on it.
const firstPort, lastPort = 20_000, 32_000

// FreePort is an address on loopback for a program that must be told where to
// listen. Until the test ends nobody else gets it here, in this process or
// another. What can listen on port 0 or on a Unix socket does that instead.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(firstPort + rand.IntN(lastPort-firstPort))
		claim, err := net.Listen("tcp", "127.9.9.9:"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		} else if err == nil { // some systems have 127.0.0.1 only, and so no claims
			t.Cleanup(func() { claim.Close() })
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		defer l.Close()
		return l.Addr().String()
	}
	t.Fatal("no free port on loopback")
	return ""
}
