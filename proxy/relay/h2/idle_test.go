package h2

import (
	"runtime"
	"testing"
	"time"
)

// A connection that waits holds little: no buffer, and no stream.
func TestIdleConnectionsAreSmall(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector has memory of its own")
	}
	s, at := serve(t, echo, ServerOptions{})
	measure := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	const n = 300
	var peers []*peer
	for range 10 {
		peers = append(peers, dialPeer(t, at))
	}
	before := measure()
	for range n {
		p := dialPeer(t, at)
		p.get(1)
		p.status(p.next())
		p.Framer, p.dec, p.enc = nil, nil, nil
		peers = append(peers, p)
	}
	for s.Conns() < n+10 {
		time.Sleep(time.Millisecond)
	}
	per := (int64(measure()) - int64(before)) / n
	t.Logf("%d bytes per connection, the client's part included", per)
	if per > 24<<10 {
		t.Errorf("%d bytes per idle connection", per)
	}
	runtime.KeepAlive(peers)
}
