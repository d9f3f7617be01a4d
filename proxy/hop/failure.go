package hop

import (
	"errors"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Failure is a way for an exchange to end other than by the upstream's answer.
type Failure struct {
	Status int // of the local reply; 0 when nobody is there to read one
	Flags  event.ResponseFlags
	Detail string // Envoy's response code details
}

// The local replies. docs/protocols.md has the same table.
var (
	HeadTimeout    = &Failure{408, 0, "request_header_timeout"}
	RequestTimeout = &Failure{408, 0, "request_overall_timeout"}
	RequestStill   = &Failure{408, event.FlagSI, "stream_idle_timeout"}
	AnswerStill    = &Failure{504, event.FlagSI, "stream_idle_timeout"}
	AnswerTimeout  = &Failure{504, event.FlagUT, "response_timeout"}
	NoRoute        = &Failure{404, event.FlagNR, "route_not_found"}
	NoCluster      = &Failure{503, event.FlagNC, "cluster_not_found"}
	NoHost         = &Failure{503, event.FlagUH, "no_healthy_upstream"}
	ConnectFailed  = &Failure{503, event.FlagUF, "upstream_reset_before_response_started{connection_failure}"}
	ConnectTimeout = &Failure{503, event.FlagUF, "upstream_reset_before_response_started{connection_timeout}"}
	UpstreamClosed = &Failure{503, event.FlagUC, "upstream_reset_before_response_started{connection_termination}"}
	UpstreamReset  = &Failure{503, event.FlagUR, "upstream_reset_before_response_started{remote_reset}"}
	UpstreamCut    = &Failure{503, event.FlagUC, "upstream_reset_after_response_started{connection_termination}"}
	UpstreamBroke  = &Failure{503, event.FlagUR, "upstream_reset_after_response_started{remote_reset}"}
	UnaskedUpgrade = &Failure{502, event.FlagUPE, "http1.unasked_upgrade"}
	BodyTooLarge   = &Failure{413, 0, "request_payload_too_large"}
	ConnectRefused = &Failure{405, 0, "connect_not_allowed"}
	UpgradeRefused = &Failure{403, 0, "upgrade_failed"}
	ClientGone     = &Failure{0, event.FlagDC, "downstream_remote_disconnect"}
	PathRefused    = &Failure{400, event.FlagDPE, "path_normalization_failed"}
	LoopDetected   = &Failure{508, 0, "loop_detected"}
	ProxyEnds      = &Failure{503, event.FlagLR, "upstream_reset_before_response_started{local_reset}"}
)

// DownstreamFault is how a parser's refusal of a request is answered.
func DownstreamFault(err error) *Failure {
	f := &Failure{400, event.FlagDPE, "http1.codec_error"}
	var e *http1.Error
	if errors.As(err, &e) {
		f.Status, f.Detail = e.Status, e.Detail
	}
	return f
}

// UpstreamFault is how a parser's refusal of an answer is answered.
func UpstreamFault(err error) *Failure {
	f := &Failure{502, event.FlagUPE, "upstream_reset_before_response_started{protocol_error}"}
	var e *http1.Error
	if errors.As(err, &e) {
		f.Detail = e.Detail
	}
	return f
}

// prefix of every local reply's body.
const prefix = "pitot: "

// Allowed are the methods that are passed on where CONNECT is not.
const Allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// AppendBody adds the local reply's body, which says what went wrong in the
// words of the details, which name no address.
func (f *Failure) AppendBody(b []byte) []byte {
	b = append(b, prefix...)
	b = append(b, f.Detail...)
	return append(b, '\n')
}

// Unsent reports whether no host could be reached, so that the request is still
// whole and nobody has seen it.
func (f *Failure) Unsent() bool { return f != nil && f.Flags == event.FlagUF }

// ConnectFault is how it is answered that a host could not be connected to.
func ConnectFault(err error) *Failure {
	var d *upstream.DialError
	switch errors.As(err, &d); {
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
