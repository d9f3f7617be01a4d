// Package event is the vocabulary that every part of pitot shares: what was
// seen on the wire, in one form, whatever the protocol and whoever saw it.
//
// It imports nothing of ours. Names of attributes as other tools know them
// (OpenTelemetry's) appear only at the edge, in semconv.go and attributes.go.
package event

import "net/netip"

// Dir is a direction of bytes on a connection.
type Dir uint8

const (
	ToServer Dir = iota // from the client, who opened the connection
	ToClient            // from the server
)

// Other is the opposite direction.
func (d Dir) Other() Dir { return d ^ 1 }

func (d Dir) String() string {
	if d == ToServer {
		return "to_server"
	}
	return "to_client"
}

// TraceID and SpanID are W3C trace context identifiers; all zero means none.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// IsZero reports whether there is no id.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// IsZero reports whether there is no id.
func (s SpanID) IsZero() bool { return s == SpanID{} }

// Exchange is one request with its answer, or one upstream attempt of it.
//
// Who makes an Exchange lends it to the Emitter for the length of the call:
// its strings may point into a decoder's buffers. Batch.Add copies it; the copy
// is immutable and may be kept for as long as one likes.
//
// Times are nanoseconds since the Unix epoch; 0 means that it did not happen
// or was not seen. Sizes are bytes on the wire, headers and framing included.
type Exchange struct {
	TraceID    TraceID
	SpanID     SpanID
	ParentID   SpanID
	TraceState string

	Kind     Kind
	Protocol Protocol
	Name     string // operation of low cardinality: "GET /cart/{id}", "find orders"
	Service  string // who answers (server spans) or who asks (client spans)
	Peer     string // the other side's service, where known

	Client netip.AddrPort
	Server netip.AddrPort
	Unix   string // path of the Unix socket that stands for Server, "@" and a name for an abstract one

	Start     int64 // first byte of the request
	FirstByte int64 // first byte of the answer
	End       int64 // what ended it: last byte of the answer, or the loss of hope

	RequestBytes  int64
	ResponseBytes int64

	Status        Status
	StatusMessage string
	ErrorType     string // error.type: "503", "unanswered", "11000"; empty when all went well

	Listener string // from here to Flags: known to a proxy only
	Route    string
	Cluster  string
	Endpoint string // address of the upstream host
	Picked   string // why this host: the policy, and what changed its choice
	Retried  string // why there was a try after another: the condition that asked for it
	Attempt  uint8  // 0 for the first try
	Mirror   bool   // a copy of the request, whose answer nobody gets
	Flags    ResponseFlags

	Decode      DecodeFlags
	Stream      int64  // number of the TCP connection, from 0
	RequestSeq  uint32 // TCP sequence number of the request's first byte, captures only
	ResponseSeq uint32 // the same of the answer
	Capture     string // label of the replayed traffic; empty for live traffic

	HTTP      *HTTP  // set for HTTP of any version, gRPC, and WebSocket (its handshake)
	HTTP2     *H2    // set for what a stream of HTTP/2 carried
	GRPC      *RPC   // set for gRPC and gRPC-Web
	WebSocket *WS    // set for WebSocket sessions
	Mongo     *Mongo // set for MongoDB
}

// Duration is the time from the first byte of the request to the end, in
// nanoseconds, never negative.
func (x *Exchange) Duration() int64 { return max(0, x.End-x.Start) }

// TTFB is the time from the first byte of the request to the first byte of
// the answer, in nanoseconds; 0 when no answer was seen.
func (x *Exchange) TTFB() int64 {
	if x.FirstByte == 0 {
		return 0
	}
	return max(0, x.FirstByte-x.Start)
}
