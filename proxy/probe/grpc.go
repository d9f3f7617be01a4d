package probe

import (
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// service is the name that gRPC gives to health checks.
const service = "grpc.health.v1.Health"

// The statuses of a service (HealthCheckResponse.ServingStatus).
const (
	serving        = 1
	notServing     = 2
	serviceUnknown = 3 // of Watch only
)

// The statuses of a call.
const (
	statusOK            = 0
	statusNotFound      = 5
	statusUnimplemented = 12
	statusInternal      = 13
	statusUnavailable   = 14
)

// Call is route.Caller's. The empty service is pitot, any other name a cluster.
func (c *Check) Call(ctx context.Context, method string, request []byte, send func([]byte) error) (int, string) {
	name, ok := asked(request)
	switch {
	case !ok:
		return statusInternal, "the message is malformed"
	case method == service+"/Check":
		return c.check(name, send)
	case method == service+"/Watch":
		return c.watch(ctx, name, send)
	case method == service+"/List":
		return c.list(send)
	}
	return statusUnimplemented, "unknown method"
}

func (c *Check) check(name string, send func([]byte) error) (int, string) {
	status, _ := c.status(name)
	if status == serviceUnknown {
		return statusNotFound, "unknown service"
	}
	return sent(send(response(status)))
}

// look is how often a cluster is looked at for who watches it.
const look = 250 * time.Millisecond

// watch tells how a service is, and again when that changes, until ctx ends.
func (c *Check) watch(ctx context.Context, name string, send func([]byte) error) (int, string) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for told := -1; ; {
		status, changed := c.status(name)
		if status != told {
			if err := send(response(status)); err != nil {
				return sent(err)
			}
			told = status
		}
		select {
		case <-ctx.Done():
			return statusUnavailable, "the proxy ends the watch"
		case <-changed:
		case <-tick.C:
		}
	}
}

func (c *Check) list(send func([]byte) error) (int, string) {
	var b []byte
	for _, name := range append([]string{""}, slices.Sorted(maps.Keys(c.services))...) {
		status, _ := c.status(name)
		var entry []byte
		entry = protowire.AppendString(protowire.AppendTag(entry, 1, protowire.BytesType), name)
		entry = protowire.AppendBytes(protowire.AppendTag(entry, 2, protowire.BytesType), response(status))
		b = protowire.AppendBytes(protowire.AppendTag(b, 1, protowire.BytesType), entry)
	}
	return sent(send(b))
}

// sent is how a call ends that sent its last message.
func sent(err error) (int, string) {
	if err != nil { // nobody is there to read it
		return statusUnavailable, "the client has gone"
	}
	return statusOK, ""
}

// status is that of a service, and what is closed when the proxy's changes.
func (c *Check) status(name string) (status int, changed <-chan struct{}) {
	say, changed := c.overall()
	ok := say == well
	if name != "" {
		healthy, known := c.of(name)
		if !known {
			return serviceUnknown, changed
		}
		ok = healthy && say != draining && say != failed
	}
	if ok {
		return serving, changed
	}
	return notServing, changed
}

// response is a HealthCheckResponse.
func response(status int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(status))
}

// asked is the service of a HealthCheckRequest; of several the last one counts,
// as protobuf has it.
func asked(b []byte) (name string, ok bool) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return "", false
		}
		b = b[n:]
		if number == 1 && kind == protowire.BytesType {
			v, n := protowire.ConsumeString(b)
			if n < 0 {
				return "", false
			}
			name, b = v, b[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return "", false
		}
		b = b[n:]
	}
	return name, true
}
