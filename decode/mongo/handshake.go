package mongo

import "github.com/pitot-io/pitot/decode/bson"

// Bounds of what a handshake tells, in bytes; 128 is the drivers' own for an
// application's name.
const (
	maxApplication = 128
	maxDriver      = 64
)

// handshake remembers who is on the client's side of the connection, as the
// drivers' handshake specification has it.
func (c *conn) handshake(doc []byte) {
	for it := bson.Elements(doc); ; {
		e, ok := it.Next()
		if !ok {
			return
		}
		switch {
		case e.Type != bson.Document:
		case string(e.Key) == "application":
			if name := text(e.Value, "name", maxApplication); name != "" {
				c.application = name
			}
		case string(e.Key) == "driver":
			if name := text(e.Value, "name", maxDriver); name != "" {
				c.driver = name + " " + text(e.Value, "version", maxDriver)
			}
		}
	}
}

func text(doc []byte, key string, n int) string {
	e, _ := bson.Lookup(doc, key)
	s, _ := e.Text()
	return string(bounded(s, n))
}
