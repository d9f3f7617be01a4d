package fault

import (
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
)

// wishes are what a request's own fields ask for (Envoy's x-envoy-fault-*).
// Each says also whether the request asks at all: then the configuration's own
// value is not for it. A percentage lowers the configured one.
type wishes struct {
	head *http1.Head
	on   bool
}

// longest is the longest delay that can be asked for.
const longest = time.Hour

func (w wishes) delay(most share) (time.Duration, bool) {
	ms, ok := w.number("x-envoy-fault-delay-request", int64(longest/time.Millisecond))
	if !ok || !w.drawn("x-envoy-fault-delay-request-percentage", most) {
		return 0, ok
	}
	return time.Duration(ms) * time.Millisecond, true
}

func (w wishes) abort(most share) (a abort, ok bool) {
	if n, is := w.number("x-envoy-fault-abort-request", 599); is && n >= 200 {
		a.status, ok = int(n), true
	} else if n, is := w.number("x-envoy-fault-abort-grpc-request", int64(len(statuses)-1)); is && n > 0 {
		a.grpc, ok = int(n), true
	}
	if ok && !w.drawn("x-envoy-fault-abort-request-percentage", most) {
		a = abort{}
	}
	return a, ok
}

// rate is asked for in KiB.
func (w wishes) rate(most share) (int64, bool) {
	n, ok := w.number("x-envoy-fault-throughput-response", 1<<30)
	if !ok || !w.drawn("x-envoy-fault-throughput-response-percentage", most) {
		return 0, ok
	}
	return n << 10, true
}

// number reads a field, up to most.
func (w wishes) number(name string, most int64) (int64, bool) {
	if !w.on {
		return 0, false
	}
	n, err := strconv.ParseUint(string(w.head.Get(name)), 10, 63)
	return int64(n), err == nil && int64(n) <= most
}

// drawn draws by the percentage that is asked for, at most the configured one
// where there is one.
func (w wishes) drawn(name string, most share) bool {
	if most == 0 {
		most = config.Million
	}
	if n, ok := w.number(name, 100); ok {
		most = min(most, share(n*config.Million/100))
	}
	return most.draw()
}
