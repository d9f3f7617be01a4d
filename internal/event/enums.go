package event

import "strings"

// Kind is the side from which a span is told.
type Kind uint8

const (
	Server Kind = iota
	Client
)

func (k Kind) String() string {
	if k == Client {
		return "client"
	}
	return "server"
}

// Status is a span's outcome in OpenTelemetry's terms.
type Status uint8

const (
	Unset Status = iota
	OK
	Error
)

func (s Status) String() string {
	switch s {
	case OK:
		return "ok"
	case Error:
		return "error"
	}
	return "unset"
}

// Protocol names what was spoken.
type Protocol uint8

const (
	TCP Protocol = iota
	HTTP10
	HTTP11
	HTTP2
	GRPC
	MongoDB
	WebSocket
	numProtocols
)

var protocolNames = [numProtocols]string{"tcp", "http/1.0", "http/1.1", "h2", "grpc", "mongodb", "websocket"}

func (p Protocol) String() string {
	if p < numProtocols {
		return protocolNames[p]
	}
	return "tcp"
}

// ParseProtocol is the inverse of String.
func ParseProtocol(s string) (Protocol, bool) {
	for p, name := range protocolNames {
		if name == s {
			return Protocol(p), true
		}
	}
	return 0, false
}

// DecodeFlags say how far an exchange can be trusted. The values are stored in
// the column DecodeFlags: never renumber them.
type DecodeFlags uint16

const (
	MidStream   DecodeFlags = 1 << iota // connection joined after its start
	RequestGap                          // bytes of the request are missing
	ResponseGap                         // bytes of the answer are missing
	HPACKUnsure                         // header table unknown
	BodyCut                             // a body or document ended early
	NoResponse                          // request without answer
	NoRequest                           // answer without request
	Reordered                           // segments came out of order
	PacketClock                         // times are those of a capture
	Undecoded                           // compression that was not undone
	Guessed                             // protocol guessed, not seen from its start
	Redacted                            // content withheld on purpose
	Truncated                           // packets were cut by the capture's snap length
	BadChecksum                         // a message's checksum does not fit its bytes
	numFlags    = iota
)

var decodeNames = [numFlags]string{
	"mid_stream", "request_gap", "response_gap", "hpack_unsure", "body_cut", "no_response", "no_request",
	"reordered", "packet_clock", "undecoded_compression", "guessed_protocol", "redacted", "truncated",
	"bad_checksum",
}

// Each calls f with the name of every flag that is set, in order of value.
func (d DecodeFlags) Each(f func(name string)) {
	for i, name := range decodeNames {
		if d&(1<<i) != 0 {
			f(name)
		}
	}
}

// ParseDecodeFlag is the flag of that name, 0 when there is none.
func ParseDecodeFlag(name string) DecodeFlags {
	for i, n := range decodeNames {
		if n == name {
			return 1 << i
		}
	}
	return 0
}

// ResponseFlags tell what a proxy did to an exchange, in Envoy's vocabulary.
type ResponseFlags uint32

const (
	FlagUH           ResponseFlags = 1 << iota // no healthy upstream
	FlagUF                                     // connect to the upstream failed
	FlagUO                                     // circuit breaker overflow
	FlagNR                                     // no route
	FlagURX                                    // retries or connect attempts exhausted
	FlagNC                                     // no such cluster
	FlagDT                                     // maximum duration reached
	FlagDC                                     // client disconnected
	FlagLH                                     // local health check failed
	FlagUT                                     // upstream request timeout
	FlagLR                                     // local reset
	FlagUR                                     // upstream reset
	FlagUC                                     // upstream closed the connection
	FlagRL                                     // rate limited
	FlagSI                                     // stream idle timeout
	FlagDPE                                    // client broke the protocol
	FlagUPE                                    // upstream broke the protocol
	FlagUMSDR                                  // upstream reached the maximum stream duration
	FlagOM                                     // overload
	FlagDI                                     // delay injected
	FlagFI                                     // fault injected
	FlagRLSE                                   // the rate limit service failed
	numResponseFlags = iota
)

var responseFlagNames = [numResponseFlags]string{
	"UH", "UF", "UO", "NR", "URX", "NC", "DT", "DC", "LH", "UT", "LR", "UR", "UC", "RL", "SI", "DPE", "UPE", "UMSDR", "OM", "DI", "FI", "RLSE",
}

// responseFlagLong are Envoy's long names of the same.
var responseFlagLong = [numResponseFlags]string{
	"NoHealthyUpstream", "UpstreamConnectionFailure", "UpstreamOverflow", "NoRouteFound", "UpstreamRetryLimitExceeded", "NoClusterFound",
	"DurationTimeout", "DownstreamConnectionTermination", "FailedLocalHealthCheck", "UpstreamRequestTimeout", "LocalReset", "UpstreamRemoteReset",
	"UpstreamConnectionTermination", "RateLimited", "StreamIdleTimeout", "DownstreamProtocolError", "UpstreamProtocolError",
	"UpstreamMaxStreamDurationReached", "OverloadManagerTerminated",
	"DelayInjected", "FaultInjected", "RateLimitServiceError",
}

// AppendLong adds the flags' long names to b, joined by commas.
func (f ResponseFlags) AppendLong(b []byte) []byte { return f.append(b, &responseFlagLong) }

// Append adds the flags' names to b, joined by commas.
func (f ResponseFlags) Append(b []byte) []byte { return f.append(b, &responseFlagNames) }

func (f ResponseFlags) append(b []byte, names *[numResponseFlags]string) []byte {
	first := true
	for i, name := range names {
		if f&(1<<i) == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first, b = false, append(b, name...)
	}
	return b
}

func (f ResponseFlags) String() string { return string(f.Append(nil)) }

// ParseResponseFlags is the inverse of String; unknown names are left out.
func ParseResponseFlags(s string) (f ResponseFlags) {
	for name := range strings.SplitSeq(s, ",") {
		for i, n := range responseFlagNames {
			if n == name {
				f |= 1 << i
			}
		}
	}
	return f
}
