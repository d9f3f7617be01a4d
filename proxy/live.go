package proxy

import (
	"sync/atomic"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/route"
)

// routes are a listener's, as they are now: a new configuration changes them
// under open connections, whose next request goes by the new ones.
type routes struct{ now atomic.Pointer[route.Table] }

// Find is route.Table's.
func (r *routes) Find(h *http1.Head) *route.Route { return r.now.Load().Find(h) }

// serving is a handler with the connections that it has.
type serving struct {
	Handler
	whence  *whence // nil where connections are what they seem to be
	forward string  // what becomes of x-forwarded-client-cert
	open    atomic.Int64
}

// over reports whether no connection is left to a handler that gets no more.
func (s *serving) over() bool { return s.open.Load() == 0 }

// retirer is a handler whose connections are worth ending early when another
// serves those that come from now on: a client of HTTP makes a new one at no
// loss, and by that goes by the new settings.
type retirer interface{ Retire() }
