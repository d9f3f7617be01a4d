package hop

import (
	"errors"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Failure is a way for an exchange to end other than by the upstream's answer.
type Failure = route.Failure

// The local replies. docs/protocols.md has the same table.
var (
	HeadTimeout    = reply(408, 0, "request_header_timeout")
	RequestTimeout = reply(408, 0, "request_overall_timeout")
	RequestStill   = reply(408, event.FlagSI, "stream_idle_timeout")
	AnswerStill    = reply(504, event.FlagSI, "stream_idle_timeout")
	AnswerTimeout  = reply(504, event.FlagUT, "response_timeout")
	NoRoute        = reply(404, event.FlagNR, "route_not_found")
	NoCluster      = reply(503, event.FlagNC, "cluster_not_found")
	NoHost         = reply(503, event.FlagUH, "no_healthy_upstream")
	Overflow       = overflow()
	Overloaded     = overloaded()
	ConnectFailed  = reply(503, event.FlagUF, "upstream_reset_before_response_started{connection_failure}")
	ConnectTimeout = reply(503, event.FlagUF, "upstream_reset_before_response_started{connection_timeout}")
	UpstreamClosed = reply(503, event.FlagUC, "upstream_reset_before_response_started{connection_termination}")
	UpstreamReset  = reply(503, event.FlagUR, "upstream_reset_before_response_started{remote_reset}")
	UpstreamCut    = reply(503, event.FlagUC, "upstream_reset_after_response_started{connection_termination}")
	UpstreamBroke  = reply(503, event.FlagUR, "upstream_reset_after_response_started{remote_reset}")
	UnaskedUpgrade = reply(502, event.FlagUPE, "http1.unasked_upgrade")
	BodyTooLarge   = reply(413, 0, "request_payload_too_large")
	ConnectRefused = reply(405, 0, "connect_not_allowed")
	UpgradeRefused = reply(403, 0, "upgrade_failed")
	ClientGone     = reply(0, event.FlagDC, "downstream_remote_disconnect")
	PathRefused    = reply(400, event.FlagDPE, "path_normalization_failed")
	LoopDetected   = reply(508, 0, "loop_detected")
	TryTimeout     = reply(504, event.FlagUT, "upstream_per_try_timeout")
	TryStill       = reply(504, event.FlagSI, "upstream_per_try_idle_timeout")
	HedgeLost      = reply(503, event.FlagLR, "hedge_lost") // told of a try only: another was answered first
	ProxyEnds      = reply(503, event.FlagLR, "upstream_reset_before_response_started{local_reset}")
)

func reply(status int, flags event.ResponseFlags, detail string) *Failure {
	return &Failure{Status: status, Flags: flags, Detail: detail}
}

// DownstreamFault is how a parser's refusal of a request is answered.
func DownstreamFault(err error) *Failure {
	f := reply(400, event.FlagDPE, "http1.codec_error")
	var e *http1.Error
	if errors.As(err, &e) {
		f.Status, f.Detail = e.Status, e.Detail
	}
	return f
}

// UpstreamFault is how a parser's refusal of an answer is answered.
func UpstreamFault(err error) *Failure {
	f := reply(502, event.FlagUPE, "upstream_reset_before_response_started{protocol_error}")
	var e *http1.Error
	if errors.As(err, &e) {
		f.Detail = e.Detail
	}
	return f
}

// Allowed are the methods that are passed on where CONNECT is not.
const Allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// ConnectFault is how it is answered that a host could not be connected to.
func ConnectFault(err error) *Failure {
	var d *upstream.DialError
	switch errors.As(err, &d); {
	case errors.Is(err, upstream.ErrOverflow):
		return Overflow
	case d == nil:
		return ConnectFailed
	case d.Reason != "" && d.Reason != "timeout":
		f := *ConnectFailed
		f.Detail = "upstream_reset_before_response_started{connection_failure,TLS_error:" + d.Reason + "}"
		return &f
	case d.Timeout:
		return ConnectTimeout
	}
	return ConnectFailed
}

// overflow is for a cluster that has as much to do as it is allowed. Others than
// this proxy may well try elsewhere; the field tells them.
func overflow() *Failure {
	f := reply(503, event.FlagUO, "upstream_reset_before_response_started{overflow}")
	f.Fields = []http1.Field{{Name: []byte("x-envoy-overloaded"), Value: []byte("true")}}
	return f
}

// overloaded is for a proxy that has as much to do as it can.
func overloaded() *Failure {
	f := reply(503, event.FlagOM, "overload")
	f.Fields = Overflow.Fields
	return f
}

// PickFault is how it is answered that no host was picked.
func PickFault(err error) *Failure {
	if errors.Is(err, upstream.ErrOverflow) {
		return Overflow
	}
	return NoHost
}
