package proxy

import (
	"net/netip"

	"github.com/pitot-io/pitot/decode/proxyproto"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// sources is what clusters want of the connections of clients.
type sources interface {
	asked() bool            // there are clusters that ask whose a connection is
	forget(upstream.Source) // the connection is over
}

func (s *Server) asked() bool { return s.sourced.Load() }

func (s *Server) forget(source upstream.Source) {
	for _, c := range s.all() {
		if c.PerClient() {
			c.Forget(source)
		}
	}
}

// greeting writes what a cluster's hosts are told of clients.
func greeting(version string) func(b []byte, client, server netip.AddrPort) []byte {
	switch version {
	case config.V1:
		return proxyproto.AppendV1
	case config.V2:
		return proxyproto.AppendV2
	}
	return nil
}
