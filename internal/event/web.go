package event

import "strconv"

// H2 is the part of an exchange that only a stream of HTTP/2 has (RFC 9113).
type H2 struct {
	StreamID uint32
	Pushed   bool   // promised by the server, asked for by nobody
	Reset    string // name of the code of the RST_STREAM that ended it: "CANCEL"; empty when none did
	ResetBy  string // "client" or "server"; empty when nobody reset it
}

// RPC is the part of an exchange that only gRPC has. Counts are of messages,
// payloads are bytes of messages as transferred, without their 5-byte prefix.
type RPC struct {
	Method  string // "pkg.Service/Method"
	Status  int32  // -1 when none was seen
	Message string // grpc-message, percent-decoded
	Timeout int64  // grpc-timeout in nanoseconds; 0 when none was set

	RequestMessages    int64
	ResponseMessages   int64
	RequestPayload     int64
	ResponsePayload    int64
	RequestCompressed  int64 // messages with the compressed flag
	ResponseCompressed int64

	Encoding     string // grpc-encoding of the answer, else of the request; empty for identity
	Streaming    string // "unary", "client_stream", "server_stream" or "bidi"; what was seen, where no descriptor says more
	Web          string // "binary" or "text" for gRPC-Web; empty for gRPC
	TrailersOnly bool   // answered by one block of fields and nothing else

	Metadata     []KeyValue // of the allow-list, under the names of the attributes
	RequestJSON  string     // first message, where a descriptor was given; bounded
	ResponseJSON string
}

// grpcStatus are the status codes of gRPC by number.
var grpcStatus = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
	"UNAUTHENTICATED",
}

// GRPCStatus is the name of a gRPC status code, its number as text when it has
// none, and "" below 0.
func GRPCStatus(code int32) string {
	switch {
	case code < 0:
		return ""
	case int(code) < len(grpcStatus):
		return grpcStatus[code]
	}
	return strconv.Itoa(int(code))
}

// ParseGRPCStatus is the inverse of GRPCStatus; -1 when s is neither a name nor
// a number.
func ParseGRPCStatus(s string) int32 {
	for code, name := range grpcStatus {
		if name == s {
			return int32(code)
		}
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return -1
	}
	return int32(n)
}

// WS is the part of an exchange that only a WebSocket session has (RFC
// 6455). Payloads are bytes as transferred, without frame headers.
type WS struct {
	ClientMessages int64
	ServerMessages int64
	ClientFrames   int64 // control frames included
	ServerFrames   int64
	ClientPayload  int64 // of messages
	ServerPayload  int64
	Pings          int64 // of both sides
	PingRTT        int64 // shortest time from a ping to its pong in nanoseconds; 0 when none was answered

	CloseCode   uint16 // 0 when no close frame was seen, 1005 when it had no code
	CloseReason string
	ClosedBy    string // side of the first close frame: "client" or "server"
	Subprotocol string
	Extensions  string // agreed: "permessage-deflate"

	// Messages are the first ones, where decode.Keep asked for bodies; like an
	// HTTPDetail they leave pitot only in exports made for it.
	Messages []WSMessage
}

// WSMessage is a message of a WebSocket session.
type WSMessage struct {
	Dir    Dir
	Binary bool
	Cut    bool   // it went on, some of it was not seen, or it could not be decompressed
	Time   int64  // of its last byte, nanoseconds since the Unix epoch
	Data   string // compression undone, at most decode.Keep.Body bytes
}

// HTTPDetail is what an HTTP exchange carried beyond its attributes. It is
// there only when somebody asked for it (decode.Keep), and leaves pitot only in
// exports made for it: never in JSON Lines or a store.
type HTTPDetail struct {
	RequestHeaders  []KeyValue // in order, names as sent, values of secrets withheld
	ResponseHeaders []KeyValue
	RequestBody     string // content decoding undone, at most decode.Keep.Body bytes
	ResponseBody    string
	RequestEnd      int64 // time of the request's last byte in nanoseconds since the Unix epoch; 0 when it was not seen
	RequestCut      bool  // the body went on beyond what was kept, or could not be decoded to its end
	ResponseCut     bool
}
