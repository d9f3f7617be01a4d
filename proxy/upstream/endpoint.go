package upstream

// Endpoint is a host as the configuration or discovery tells of it. Its address
// says which one it is.
type Endpoint struct {
	Address  string            // host:port or unix:/path
	Hostname string            // that it goes by in hashes and health checks; empty for the address
	Weight   uint32            // share of the exchanges among its like; 0 stands for 1
	Priority int               // hosts of 0 are taken while enough of them are healthy, then those of 1, and so on
	Locality Locality          // where it stands
	Metadata map[string]string // for subsets and hash keys
	Standing Standing          // as discovery tells
}

// Locality is where a host stands, as finely as is known.
type Locality struct{ Region, Zone, SubZone string }

// Standing is what discovery says of a host's health.
type Standing uint8

const (
	Unknown   Standing = iota // nothing
	Healthy                   // takes exchanges
	Degraded                  // takes them when the healthy ones cannot carry all
	Draining                  // is about to go: takes no new ones
	Unhealthy                 // takes none
)

// Addresses makes endpoints of which nothing but the address is known.
func Addresses(addresses ...string) (all []Endpoint) {
	for _, a := range addresses {
		all = append(all, Endpoint{Address: a})
	}
	return all
}
