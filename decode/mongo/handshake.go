package mongo

import (
	"bytes"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// Bounds of what a handshake tells, in bytes; 128 is the drivers' own for an
// application's name.
const (
	maxApplication = 128
	maxDriver      = 64
	maxOS          = 128
	maxPlatform    = 128
	maxMechanism   = 32
	maxLabels      = 256
)

// greeting reads a field of a hello, or of a command that authenticates. Of
// what proves who the client is only the mechanism is looked at.
func (c *conn) greeting(x *exchange, k *command, e bson.Element) {
	switch string(e.Key) {
	case "client":
		if hello(k.first.Key) && e.Type == bson.Document {
			c.handshake(x, e.Value)
		}
	case "speculativeAuthenticate":
		if k.secret = true; e.Type == bson.Document {
			x.handshake().Mechanism = text(e.Value, "mechanism", maxMechanism)
		}
	case "mechanism":
		if s, ok := e.Text(); ok && !hello(k.first.Key) {
			x.handshake().Mechanism = string(bounded(s, maxMechanism))
		}
	case "topologyVersion":
		k.known = true
	case "maxAwaitTimeMS":
		k.awaits = true
	}
}

// handshake is the exchange's part of that name, which few exchanges have.
func (x *exchange) handshake() *event.MongoHandshake {
	if x.mongo.Handshake == nil {
		x.mongo.Handshake = new(event.MongoHandshake)
	}
	return x.mongo.Handshake
}

// handshake remembers who is on the client's side of the connection, as the
// drivers' handshake specification has it.
func (c *conn) handshake(x *exchange, doc []byte) {
	h := x.handshake()
	for it := bson.Elements(doc); ; {
		e, ok := it.Next()
		if !ok {
			return
		}
		switch string(e.Key) {
		case "application":
			if name := text(e.Value, "name", maxApplication); name != "" {
				c.application = name
			}
		case "driver":
			if name := text(e.Value, "name", maxDriver); name != "" {
				c.driver = name + " " + text(e.Value, "version", maxDriver)
			}
		case "os":
			h.OS = system(e.Value)
		case "platform":
			s, _ := e.Text()
			h.Platform = string(bounded(s, maxPlatform))
		}
	}
}

// system joins what client.os says, each thing once.
func system(doc []byte) string {
	var b []byte
	for _, key := range [...]string{"type", "name", "architecture", "version"} {
		e, _ := bson.Lookup(doc, key)
		s, _ := e.Text()
		if len(s) == 0 || bytes.Contains(bytes.ToLower(b), bytes.ToLower(s)) {
			continue
		}
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, s...)
	}
	return string(bounded(b, maxOS))
}

func text(doc []byte, key string, n int) string {
	e, _ := bson.Lookup(doc, key)
	s, _ := e.Text()
	return string(bounded(s, n))
}

// server is what the answer to a hello says of the server.
type server struct {
	primary, secondary, arbiter, mongos, told bool
}

// welcome reads a field of the answer to a connection's first hello.
func (s *server) welcome(h *event.MongoHandshake, e bson.Element) {
	v, _ := e.Int()
	switch string(e.Key) {
	case "isWritablePrimary", "ismaster":
		s.primary, s.told = v == 1, true
	case "secondary":
		s.secondary = v == 1
	case "arbiterOnly":
		s.arbiter = v == 1
	case "msg":
		t, _ := e.Text()
		s.mongos = string(t) == "isdbgrid"
	case "setName":
		t, _ := e.Text()
		h.ReplicaSet = string(bounded(t, maxName))
	case "minWireVersion":
		h.MinWire = int32(v)
	case "maxWireVersion":
		h.MaxWire = int32(v)
	case "connectionId":
		h.ConnectionID = v
	case "compression":
		h.Compressors = string(join(nil, e, maxLabels))
	}
}

// role names what the server is, as the drivers' specification of discovery
// tells its kinds apart.
func (s *server) role(h *event.MongoHandshake) string {
	switch {
	case !s.told:
		return ""
	case s.mongos:
		return "mongos"
	case h.ReplicaSet == "" && s.primary:
		return "standalone"
	case s.primary:
		return "primary"
	case s.secondary:
		return "secondary"
	case s.arbiter:
		return "arbiter"
	}
	return "other"
}

// join appends the texts of an array with commas between, up to n bytes.
func join(b []byte, array bson.Element, n int) []byte {
	from := len(b)
	if array.Type != bson.Array {
		return b
	}
	for it := bson.Elements(array.Value); ; {
		e, ok := it.Next()
		s, isText := e.Text()
		switch {
		case !ok || len(b)-from+len(s)+1 > n:
			return b
		case !isText:
			continue
		case len(b) > from:
			b = append(b, ',')
		}
		b = append(b, s...)
	}
}
