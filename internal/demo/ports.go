package demo

import (
	"fmt"
	"net"
	"strconv"
)

// Ports are looked for from the first of these on: below what systems give to outgoing connections, so that none
// takes a port between the moment it was found free and the moment its process listens.
const (
	firstPort = 18080
	lastPort  = 19999
)

// freePorts finds n addresses on loopback where nobody listens.
func freePorts(n int) ([]string, error) {
	var out []string
	for port := firstPort; port <= lastPort && len(out) < n; port++ {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		ln, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		defer ln.Close() // all stay taken until the last is found
		out = append(out, address)
	}
	if len(out) < n {
		return nil, fmt.Errorf("demo: fewer than %d free ports from %d to %d on 127.0.0.1", n, firstPort, lastPort)
	}
	return out, nil
}
