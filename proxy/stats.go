package proxy

import (
	"sync/atomic"

	"github.com/pitot-io/pitot/proxy/fault"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Counter is a number that only grows.
type Counter = atomic.Uint64

// ListenerStats count on one listener, under Envoy's names.
type ListenerStats struct {
	CxTotal         Counter // downstream_cx_total
	CxActive        atomic.Int64
	CxAcceptError   Counter // tries to accept that failed: out of descriptors
	CxOverflow      Counter // closed because of max_connections
	CxReject        Counter // closed because the proxy is overloaded
	CxProtocolError Counter
	CxIdleTimeout   Counter
	CxDrainClose    Counter // closed by a drain
	CxNoRoute       Counter // reset, as no cluster takes it
	ProxyFound      Counter // PROXY headers
	ProxyError      Counter // closed because of a wrong or missing one
	CxLoop          Counter // closed because they were not redirected to where they came
	DetectTimeout   Counter // downstream_pre_cx_timeout: forwarded undetected
	RxBytes         Counter // from clients
	TxBytes         Counter // to clients

	RqTotal    Counter
	RqActive   atomic.Int64
	RqClass    [6]Counter // by the first digit of the status
	RqRxReset  Counter    // the client broke off
	RqTrailers Counter    // whose trailers, or their answers', had no place in HTTP/1.1

	Faults fault.Stats
	Mirror relay.MirrorStats
}

// Completed counts an answer by its status.
func (s *ListenerStats) Completed(status int) {
	if class := status / 100; class >= 1 && class <= 5 {
		s.RqClass[class].Add(1)
	}
}

// All are the numbers, always in the same order.
func (s *ListenerStats) All() []upstream.Stat {
	count := func(name string, c *Counter) upstream.Stat { return upstream.Stat{Name: name, Value: c.Load()} }
	gauge := func(name string, g *atomic.Int64) upstream.Stat {
		return upstream.Stat{Name: name, Value: uint64(max(0, g.Load())), Gauge: true}
	}
	return append([]upstream.Stat{
		count("downstream_cx_total", &s.CxTotal),
		gauge("downstream_cx_active", &s.CxActive),
		count("downstream_cx_accept_error", &s.CxAcceptError),
		count("downstream_cx_overflow", &s.CxOverflow),
		count("downstream_cx_overload_reject", &s.CxReject),
		count("downstream_cx_protocol_error", &s.CxProtocolError),
		count("downstream_cx_idle_timeout", &s.CxIdleTimeout),
		count("downstream_cx_drain_close", &s.CxDrainClose),
		count("downstream_cx_no_route", &s.CxNoRoute),
		count("downstream_cx_proxy_protocol", &s.ProxyFound),
		count("downstream_cx_proxy_protocol_error", &s.ProxyError),
		count("downstream_cx_loop", &s.CxLoop),
		count("downstream_cx_rx_bytes_total", &s.RxBytes),
		count("downstream_cx_tx_bytes_total", &s.TxBytes),
		count("downstream_pre_cx_timeout", &s.DetectTimeout),
		count("downstream_rq_total", &s.RqTotal),
		gauge("downstream_rq_active", &s.RqActive),
		count("downstream_rq_1xx", &s.RqClass[1]),
		count("downstream_rq_2xx", &s.RqClass[2]),
		count("downstream_rq_3xx", &s.RqClass[3]),
		count("downstream_rq_4xx", &s.RqClass[4]),
		count("downstream_rq_5xx", &s.RqClass[5]),
		count("downstream_rq_rx_reset", &s.RqRxReset),
		count("downstream_rq_trailers_dropped", &s.RqTrailers),
	}, append(s.Faults.All(), s.Mirror.All()...)...)
}
