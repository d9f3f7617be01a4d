package hop

import (
	"bytes"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/route"
)

// The names of fields by which proxies tell each other what to do, and what
// they know, begin with control (Envoy, "HTTP header manipulation").
var (
	control      = []byte("x-envoy-")
	timeoutField = []byte("x-envoy-upstream-rq-timeout-ms")
)

// controls reports whether a field of the client goes no further: at an edge
// each that only a proxy may set, and whoever sent it what this proxy does.
func (f *Forwarding) controls(from *http1.Field) bool {
	n := len(control)
	if len(from.Name) <= n || from.Name[0]|0x20 != 'x' || !bytes.EqualFold(from.Name[:n], control) {
		return false
	}
	if !f.Trust {
		return !route.Kept(from)
	}
	if len(from.Name) != len(timeoutField) || !bytes.EqualFold(from.Name, timeoutField) {
		return false
	}
	f.heed(from.Value)
	return true
}

// mostAsked bounds the timeout that a caller can ask for, in ms: eleven days.
const mostAsked = 1_000_000_000

func (f *Forwarding) heed(value []byte) {
	if ms, err := strconv.ParseUint(decode.View(value), 10, 64); err == nil {
		f.timeout = time.Duration(min(ms, mostAsked)) * time.Millisecond
	}
}

// Timeout is how long the host may take from the end of the request to the head
// of its answer, 0 for no limit: as a trusted caller wants it, else as the route
// does. It is good after Forward.
func (p *Passage) Timeout() time.Duration {
	if p.timeout >= 0 {
		return p.timeout
	}
	return p.Route.Timeout
}
