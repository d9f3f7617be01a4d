package filter

import (
	"regexp"
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

// field is something of an exchange that a term can ask for.
type field struct {
	name, alias string
	kind        kind
	texts       func(*event.Exchange) texts         // of kind text
	number      func(*event.Exchange) (int64, bool) // of kinds number, duration, size; false: it has none
	equal       func(value string) (test, string)   // "=" where it is not the comparison of texts or numbers
	fits        func(*regexp.Regexp) test           // "~" where no text stands ready
}

// texts are what one field looks at: most have one, some a second form of it.
type texts struct {
	n int
	s [2]string
}

func one(s string) texts    { return texts{1, [2]string{s}} }
func two(a, b string) texts { return texts{2, [2]string{a, b}} }

// fields lists every field there is. Names are those of the JSON Lines where
// they have one.
func fields() []field {
	return []field{
		{name: "protocol", alias: "proto", kind: kindText, equal: equalProtocol, texts: func(x *event.Exchange) texts { return one(x.Protocol.String()) }},
		{name: "service", kind: kindText, texts: func(x *event.Exchange) texts { return one(x.Service) }},
		{name: "peer", kind: kindText, texts: func(x *event.Exchange) texts { return one(x.Peer) }},
		{name: "name", kind: kindText, texts: func(x *event.Exchange) texts { return one(x.Name) }},
		{name: "method", kind: kindText, texts: func(x *event.Exchange) texts { return one(httpOf(x).Method) }},
		{name: "rpc", kind: kindText, texts: func(x *event.Exchange) texts { return one(rpcOf(x).Method) }},
		{name: "grpc_status", kind: kindText, equal: equalGRPC, texts: func(x *event.Exchange) texts { return one(event.GRPCStatus(rpcOf(x).Status)) }},
		{name: "path", kind: kindText, texts: func(x *event.Exchange) texts { return one(httpOf(x).Path) }},
		{name: "host", kind: kindText, texts: func(x *event.Exchange) texts { return one(httpOf(x).Host) }},
		{name: "query", kind: kindText, texts: func(x *event.Exchange) texts { return one(httpOf(x).Query) }},
		{name: "scheme", kind: kindText, texts: func(x *event.Exchange) texts { return one(httpOf(x).Scheme) }},
		{name: "version", kind: kindText, texts: func(x *event.Exchange) texts { return one(httpOf(x).Version) }},
		{name: "user_agent", alias: "agent", kind: kindText, texts: func(x *event.Exchange) texts { return one(httpOf(x).UserAgent) }},
		{name: "request_id", kind: kindText, texts: func(x *event.Exchange) texts { return one(httpOf(x).RequestID) }},
		{name: "status", kind: kindStatus, equal: equalStatus, number: httpStatus, texts: func(x *event.Exchange) texts { return one(x.Status.String()) }},
		{name: "code", kind: kindStatus, equal: equalCode, number: code, texts: func(x *event.Exchange) texts { return one(mongoOf(x).CodeName) }},
		{name: "duration", alias: "dur", kind: kindDuration, number: func(x *event.Exchange) (int64, bool) { return x.Duration(), true }},
		{name: "ttfb", kind: kindDuration, number: func(x *event.Exchange) (int64, bool) { return x.TTFB(), x.FirstByte != 0 }},
		{name: "request_bytes", kind: kindSize, number: func(x *event.Exchange) (int64, bool) { return x.RequestBytes, true }},
		{name: "response_bytes", kind: kindSize, number: func(x *event.Exchange) (int64, bool) { return x.ResponseBytes, true }},
		{name: "request_body", kind: kindSize, number: func(x *event.Exchange) (int64, bool) { return httpOf(x).RequestBody, x.HTTP != nil }},
		{name: "response_body", kind: kindSize, number: func(x *event.Exchange) (int64, bool) { return httpOf(x).ResponseBody, httpOf(x).StatusCode != 0 }},
		{name: "messages", kind: kindNumber, number: messages},
		{name: "stream_id", kind: kindNumber, number: func(x *event.Exchange) (int64, bool) { return int64(h2Of(x).StreamID), x.HTTP2 != nil }},
		{name: "reset", kind: kindText, texts: func(x *event.Exchange) texts { return one(h2Of(x).Reset) }},
		{name: "close_code", kind: kindNumber, number: func(x *event.Exchange) (int64, bool) { return int64(wsOf(x).CloseCode), wsOf(x).CloseCode != 0 }},
		{name: "db", kind: kindText, texts: func(x *event.Exchange) texts { return one(mongoOf(x).Database) }},
		{name: "collection", alias: "coll", kind: kindText, texts: func(x *event.Exchange) texts { return one(mongoOf(x).Collection) }},
		{name: "operation", alias: "op", kind: kindText, texts: func(x *event.Exchange) texts { return one(mongoOf(x).Operation) }},
		{name: "call_site", alias: "site", kind: kindText, texts: func(x *event.Exchange) texts { return one(mongoOf(x).Site.Name) }},
		{name: "rows", kind: kindNumber, number: func(x *event.Exchange) (int64, bool) {
			return mongoOf(x).Returned, x.Mongo != nil && x.Mongo.Returned >= 0
		}},
		{name: "app", kind: kindText, texts: func(x *event.Exchange) texts { return one(mongoOf(x).Application) }},
		{name: "driver", kind: kindText, texts: func(x *event.Exchange) texts { return one(mongoOf(x).Driver) }},
		{name: "chatter", kind: kindText, texts: func(x *event.Exchange) texts { return said(x, mongoOf(x).Chatter) }},
		{name: "await", kind: kindText, texts: func(x *event.Exchange) texts { return said(x, mongoOf(x).Await) }},
		{name: "shape", kind: kindText, equal: equalShape, texts: func(x *event.Exchange) texts { return one(mongoOf(x).Query) }},
		{name: "error", kind: kindText, texts: func(x *event.Exchange) texts { return two(x.ErrorType, x.StatusMessage) }, equal: equalError},
		{name: "flags", kind: kindText, equal: equalFlag, fits: flagsFitting},
		{name: "decode", kind: kindText, equal: equalDecode, fits: decodeFitting},
		{name: "client", kind: kindExact, equal: equalAddr(func(x *event.Exchange) addr { return x.Client })},
		{name: "server", kind: kindExact, equal: equalAddr(func(x *event.Exchange) addr { return x.Server })},
		{name: "listener", kind: kindText, texts: func(x *event.Exchange) texts { return one(x.Listener) }},
		{name: "route", kind: kindText, texts: func(x *event.Exchange) texts { return two(x.Route, httpOf(x).Template) }, equal: equalRoute},
		{name: "cluster", kind: kindText, texts: func(x *event.Exchange) texts { return one(x.Cluster) }},
		{name: "endpoint", kind: kindText, texts: func(x *event.Exchange) texts { return one(x.Endpoint) }},
		{name: "capture", kind: kindText, texts: func(x *event.Exchange) texts { return one(x.Capture) }},
		{name: "trace_id", alias: "trace", kind: kindExact, equal: equalTrace},
		{name: "kind", kind: kindText, equal: equalKind, texts: func(x *event.Exchange) texts { return one(x.Kind.String()) }},
		{name: "stream", kind: kindNumber, number: func(x *event.Exchange) (int64, bool) { return x.Stream, true }},
		{name: "attempt", kind: kindNumber, number: func(x *event.Exchange) (int64, bool) { return int64(x.Attempt), true }},
	}
}

// fieldNamed is nil for a name that no field has.
func fieldNamed(name string) *field {
	for _, f := range fields() {
		if strings.EqualFold(f.name, name) || f.alias != "" && strings.EqualFold(f.alias, name) {
			return &f
		}
	}
	return nil
}

func fieldNames() (names []string) {
	for _, f := range fields() {
		names = append(names, f.name)
	}
	return names
}

// The zero parts stand in for the parts that an exchange does not have; they
// are only read.
var (
	noHTTP  event.HTTP
	noMongo event.Mongo
	noH2    event.H2
	noWS    event.WS
	noRPC   = event.RPC{Status: -1}
)

func httpOf(x *event.Exchange) *event.HTTP {
	if x.HTTP == nil {
		return &noHTTP
	}
	return x.HTTP
}

func rpcOf(x *event.Exchange) *event.RPC {
	if x.GRPC == nil {
		return &noRPC
	}
	return x.GRPC
}

func h2Of(x *event.Exchange) *event.H2 {
	if x.HTTP2 == nil {
		return &noH2
	}
	return x.HTTP2
}

func wsOf(x *event.Exchange) *event.WS {
	if x.WebSocket == nil {
		return &noWS
	}
	return x.WebSocket
}

// messages counts those of both sides.
func messages(x *event.Exchange) (int64, bool) {
	switch {
	case x.GRPC != nil:
		return x.GRPC.RequestMessages + x.GRPC.ResponseMessages, true
	case x.WebSocket != nil:
		return x.WebSocket.ClientMessages + x.WebSocket.ServerMessages, true
	}
	return 0, false
}

func mongoOf(x *event.Exchange) *event.Mongo {
	if x.Mongo == nil {
		return &noMongo
	}
	return x.Mongo
}

// said is a property that only MongoDB's exchanges have or have not.
func said(x *event.Exchange, yes bool) texts {
	switch {
	case x.Mongo == nil:
		return one("")
	case yes:
		return one("true")
	}
	return one("false")
}

func httpStatus(x *event.Exchange) (int64, bool) {
	c := httpOf(x).StatusCode
	return int64(c), c != 0
}

// code is the protocol's own: HTTP's status or MongoDB's error code.
func code(x *event.Exchange) (int64, bool) {
	if x.Mongo != nil {
		return int64(x.Mongo.Code), x.Mongo.Code != 0
	}
	return httpStatus(x)
}
