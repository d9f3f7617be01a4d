package grpc

import (
	"github.com/pitot-io/pitot/internal/event"
)

// Finish implements decode.Call.
func (k *call) Finish(x *event.Exchange) {
	if k.guess {
		if !k.convincing(x) {
			return
		}
		x.Decode |= event.Guessed
	}
	if k.rpc.Method == "" && x.HTTP != nil {
		k.named(x.HTTP.Path)
	}
	k.count()
	x.GRPC = &k.rpc
	if x.Protocol == event.HTTP2 {
		x.Protocol = event.GRPC // gRPC-Web on HTTP/1 is HTTP/1 still: its connection has no streams
	}
	if x.Name = k.rpc.Method; x.Name == "" {
		x.Name = "grpc" // semantic conventions, for a method that is not known
	}
	if faulty(k.rpc.Status) {
		x.Status = event.Error
		x.ErrorType = event.GRPCStatus(k.rpc.Status)
		x.StatusMessage = k.rpc.Message
	}
	x.Decode |= k.flags()
}

func (k *call) count() {
	in, out := &k.body[event.ToServer], &k.body[event.ToClient]
	k.rpc.RequestMessages, k.rpc.RequestPayload, k.rpc.RequestCompressed = in.messages, in.payload, in.compressed
	k.rpc.ResponseMessages, k.rpc.ResponsePayload, k.rpc.ResponseCompressed = out.messages, out.payload, out.compressed
	if k.rpc.TrailersOnly && out.messages > 0 {
		k.rpc.TrailersOnly = false
	}
	if k.rpc.Encoding = k.encoding[event.ToClient]; k.rpc.Encoding == "" {
		k.rpc.Encoding = k.encoding[event.ToServer]
	}
	if k.method != nil {
		k.rpc.Streaming = k.method.streaming
		return
	}
	certain := !k.late && !k.packed && k.rpc.Status >= 0 && !in.gap && !in.cut() && !out.gap && !out.cut()
	k.rpc.Streaming = streaming(in.messages, out.messages, certain)
}

// streaming is the kind that the messages of both sides show. That a call is
// unary is believed only of one that was seen to its end.
func streaming(requests, responses int64, certain bool) string {
	switch {
	case requests > 1 && responses > 1:
		return kinds[3]
	case requests > 1:
		return kinds[1]
	case responses > 1:
		return kinds[2]
	case certain && requests+responses > 0:
		return kinds[0]
	}
	return ""
}

// kinds of streaming: bit 0 is the client's, bit 1 the server's.
var kinds = [4]string{"unary", "client_stream", "server_stream", "bidi"}

func (k *call) flags() (f event.DecodeFlags) {
	for d, gap := range [...]event.DecodeFlags{event.RequestGap, event.ResponseGap} {
		if k.body[d].gap {
			f |= gap
		}
		if k.body[d].cut() {
			f |= event.BodyCut
		}
	}
	if k.packed {
		f |= event.Undecoded
	}
	if k.redacted {
		f |= event.Redacted
	}
	return f
}
