package relay

import "github.com/pitot-io/pitot/proxy/hop"

// Info is what is known of a client's connection.
type Info struct {
	hop.Info
	Secure bool // under TLS
}
