package config

import "time"

// ListenerHTTP2 is how a listener speaks that version with its clients.
type ListenerHTTP2 struct {
	MaxStreams int           `yaml:"max_concurrent_streams"`
	Window     Size          `yaml:"stream_window"`     // bytes of one body that may be on their way, or wait
	ConnWindow Size          `yaml:"connection_window"` // the same of all bodies of a connection
	Ping       time.Duration `yaml:"keepalive_interval"`
	PingLimit  time.Duration `yaml:"keepalive_timeout"`
}

// ClusterHTTP2 is how a cluster's endpoints are spoken to in that version.
type ClusterHTTP2 struct {
	MaxStreams     int           `yaml:"max_concurrent_streams"` // on one connection, however many the endpoint allows
	MaxConnections int           `yaml:"max_connections"`        // to one endpoint
	Window         Size          `yaml:"stream_window"`
	ConnWindow     Size          `yaml:"connection_window"`
	Ping           time.Duration `yaml:"keepalive_interval"`
	PingLimit      time.Duration `yaml:"keepalive_timeout"`
}

// Defaults of both; a test of the proxy compares them with those of its codec.
func defaultHTTP2() ListenerHTTP2 {
	return ListenerHTTP2{MaxStreams: 1024, Window: 256 << 10, ConnWindow: 1 << 20, PingLimit: 10 * time.Second}
}

func defaultClusterHTTP2() ClusterHTTP2 {
	return ClusterHTTP2{MaxStreams: 100, MaxConnections: 64, Window: 256 << 10, ConnWindow: 1 << 20, PingLimit: 10 * time.Second}
}

// Ranges of the settings of HTTP/2.
const (
	mostStreams     = 1_000_000
	mostConnections = 10_000
	leastWindow     = 64 << 10
	mostWindow      = 1 << 30
)

func (h *ListenerHTTP2) check(key string, wrong report) {
	checkHTTP2(h.MaxStreams, h.Window, h.ConnWindow, h.Ping, h.PingLimit, key, wrong)
}

func (h *ClusterHTTP2) check(key string, wrong report) {
	checkHTTP2(h.MaxStreams, h.Window, h.ConnWindow, h.Ping, h.PingLimit, key, wrong)
	if n := h.MaxConnections; n < 1 || n > mostConnections {
		wrong(key+".max_connections", "%d is not valid; must be from 1 to %d", n, mostConnections)
	}
}

func checkHTTP2(streams int, stream, conn Size, ping, limit time.Duration, key string, wrong report) {
	if streams < 1 || streams > mostStreams {
		wrong(key+".max_concurrent_streams", "%d is not valid; must be from 1 to %d", streams, mostStreams)
	}
	if stream < leastWindow || stream > mostWindow {
		wrong(key+".stream_window", "%s is not valid; must be from %s to %s", stream, Size(leastWindow), Size(mostWindow))
	}
	if conn < leastWindow || conn > mostWindow {
		wrong(key+".connection_window", "%s is not valid; must be from %s to %s", conn, Size(leastWindow), Size(mostWindow))
	}
	if ping > 0 && limit <= 0 {
		wrong(key+".keepalive_timeout", "must be more than 0 where keepalive_interval is")
	}
}
