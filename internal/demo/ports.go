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

// ports are addresses on loopback where nobody listens. Their block begins with a port that is held until release, so
// that two demos at once, whose processes listen only later, never choose the same block.
type ports struct {
	held net.Listener
	free []string
}

// takePorts finds a block of which n are free beside the one held.
func takePorts(n int) (*ports, error) {
	for first := firstPort; first+n <= lastPort; first += n + 1 {
		held, err := listenOn(first)
		if err != nil {
			continue
		}
		p := &ports{held: held}
		for port := first + 1; port <= first+n; port++ {
			if ln, err := listenOn(port); err == nil {
				ln.Close()
				p.free = append(p.free, ln.Addr().String())
			}
		}
		if len(p.free) == n {
			return p, nil
		}
		p.release()
	}
	return nil, fmt.Errorf("demo: no %d free ports in a row from %d to %d on 127.0.0.1", n+1, firstPort, lastPort)
}

func (p *ports) release() { p.held.Close() }

func listenOn(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
