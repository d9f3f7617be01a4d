package proxy

import (
	"fmt"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/mongo"
)

// server is one entry of servers: a protocol's name in a listener's
// configuration, and how its handler is made.
type server struct {
	name   string
	speaks string // the decode.Protocol that a listener of protocol auto hands to it
	make   func(Setup) (Handler, error)
}

// servers lists the protocol servers.
func servers() []server {
	return []server{
		{config.HTTP, "http1", newHTTP},
		{config.MongoDB, "mongodb", newMongoDB},
		{config.TCP, "", newTCP},
		{config.PassTLS, "", newPassthroughTLS},
		{config.Auto, "", newAuto},
	}
}

func newHandler(s Setup) (Handler, error) {
	for _, p := range servers() {
		if p.name == s.Listener.Protocol {
			return p.make(s)
		}
	}
	return nil, fmt.Errorf("listener %q: no server for protocol %q", s.Listener.Name, s.Listener.Protocol)
}

func newTCP(s Setup) (Handler, error) {
	if namesTLS(s.Listener) {
		return newBySNI(s, nil), nil
	}
	return newPassthrough(s, nil), nil
}

func newMongoDB(s Setup) (Handler, error) {
	for _, p := range s.Protocols {
		if p.Name == config.MongoDB {
			t := newPassthrough(s, p.New)
			if t.cluster.Hashes() {
				t.routing = mongo.NewRouting(s.Listener.Hash)
			}
			if len(s.commands) > 0 || t.routing != nil {
				t.gate = s.gate
			}
			return t, nil
		}
	}
	return nil, fmt.Errorf("listener %q: this build has no decoder for mongodb", s.Listener.Name)
}

// newWatched forwards what might be any of the protocols.
func newWatched(s Setup) *passthrough {
	return newPassthrough(s, func(c decode.Conn) decode.Decoder { return decode.NewDetector(s.Protocols, c) })
}
