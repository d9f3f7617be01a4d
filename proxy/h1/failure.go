package h1

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
)

// failure is a way for an exchange to end other than by the upstream's answer.
type failure struct {
	status int // of the local reply; 0 when nobody is there to read one
	flags  event.ResponseFlags
	detail string // Envoy's response code details
}

// The local replies. docs/protocols.md has the same table.
var (
	headTimeout    = failure{408, 0, "request_header_timeout"}
	requestTimeout = failure{408, 0, "request_overall_timeout"}
	requestStill   = failure{408, event.FlagSI, "stream_idle_timeout"}
	answerStill    = failure{504, event.FlagSI, "stream_idle_timeout"}
	answerTimeout  = failure{504, event.FlagUT, "response_timeout"}
	noRoute        = failure{404, event.FlagNR, "route_not_found"}
	noCluster      = failure{503, event.FlagNC, "cluster_not_found"}
	noHost         = failure{503, event.FlagUH, "no_healthy_upstream"}
	connectFailed  = failure{503, event.FlagUF, "upstream_reset_before_response_started{connection_failure}"}
	connectTimeout = failure{503, event.FlagUF, "upstream_reset_before_response_started{connection_timeout}"}
	upstreamClosed = failure{503, event.FlagUC, "upstream_reset_before_response_started{connection_termination}"}
	upstreamReset  = failure{503, event.FlagUR, "upstream_reset_before_response_started{remote_reset}"}
	upstreamCut    = failure{503, event.FlagUC, "upstream_reset_after_response_started{connection_termination}"}
	upstreamBroke  = failure{503, event.FlagUR, "upstream_reset_after_response_started{remote_reset}"}
	unaskedUpgrade = failure{502, event.FlagUPE, "http1.unasked_upgrade"}
	bodyTooLarge   = failure{413, 0, "request_payload_too_large"}
	connectRefused = failure{405, 0, "connect_not_allowed"}
	clientGone     = failure{0, event.FlagDC, "downstream_remote_disconnect"}
	proxyEnds      = failure{503, event.FlagLR, "upstream_reset_before_response_started{local_reset}"}
)

// downstreamFault is how a parser's refusal of a request is answered.
func downstreamFault(err error) *failure {
	f := &failure{400, event.FlagDPE, "http1.codec_error"}
	var e *http1.Error
	if errors.As(err, &e) {
		f.status, f.detail = e.Status, e.Detail
	}
	return f
}

// upstreamFault is how a parser's refusal of an answer is answered.
func upstreamFault(err error) *failure {
	f := &failure{502, event.FlagUPE, "upstream_reset_before_response_started{protocol_error}"}
	var e *http1.Error
	if errors.As(err, &e) {
		f.detail = e.Detail
	}
	return f
}

// prefix of every local reply's body.
const prefix = "pitot: "

// appendTo adds the local reply. Its body says what went wrong in the words of
// the details, which name no address.
func (f *failure) appendTo(b []byte, head, closing, old bool) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(f.status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(f.status)...)
	b = append(b, "\r\ncontent-type: text/plain\r\n"...)
	if f.status == http.StatusMethodNotAllowed {
		b = append(b, "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"...)
	}
	b = append(b, "content-length: "...)
	b = strconv.AppendInt(b, int64(f.size()), 10)
	switch {
	case closing:
		b = append(b, "\r\nconnection: close"...)
	case old:
		b = append(b, "\r\nconnection: keep-alive"...)
	}
	b = append(b, "\r\n\r\n"...)
	if head {
		return b
	}
	b = append(b, prefix...)
	b = append(b, f.detail...)
	return append(b, '\n')
}

func (f *failure) size() int { return len(prefix) + len(f.detail) + 1 }

// unsent reports whether no host could be reached, so that the request is still
// whole and nobody has seen it.
func (f *failure) unsent() bool { return f == &connectFailed || f == &connectTimeout }
