package event

import "strconv"

// Attr is one attribute as it leaves pitot: text, or a number when IsInt.
type Attr struct {
	Key   string
	Text  string
	Int   int64
	IsInt bool

	Foreign bool // the key came out of traffic: it may hold anything
}

// Attributes calls yield with every attribute that x has, always in the same
// order, and allocates nothing beyond what yield does with addresses.
func (x *Exchange) Attributes(yield func(Attr)) {
	e := attrs{yield: yield}
	e.exchange(x)
}

// attrs lists attributes: it gives each to yield, or, where that is nil, adds
// it to json as a member of an object, with a comma before it. Every attribute
// is named once, in the methods below, for both. JSON does not go by way of an
// Attr and a call of a function that is not known, which took as long as
// writing the text.
type attrs struct {
	yield func(Attr)
	json  []byte
}

func (e *attrs) exchange(x *Exchange) {
	if h := x.HTTP; h != nil {
		e.http(x, h)
	}
	if h := x.HTTP2; h != nil {
		e.http2(h)
	}
	if g := x.GRPC; g != nil {
		e.grpc(g)
	}
	if w := x.WebSocket; w != nil {
		e.websocket(w)
	}
	if m := x.Mongo; m != nil {
		e.mongo(x, m)
	}
	e.unix(x)
	e.text(AttrErrorType, x.ErrorType)
	e.text(AttrServicePeer, x.Peer)
	e.text(AttrRouteName, x.Route)
	e.text(AttrListener, x.Listener)
	e.text(AttrCluster, x.Cluster)
	e.text(AttrPeerAddress, x.Endpoint)
	e.text(AttrPicked, x.Picked)
	e.text(AttrRetried, x.Retried)
	e.flag(AttrMirror, x.Mirror)
	e.number(AttrHTTPResendCount, int64(x.Attempt))
	e.number(AttrTTFB, x.TTFB())
	e.number(AttrRequestBytes, x.RequestBytes)
	e.number(AttrResponseBytes, x.ResponseBytes)
	e.text(AttrCapture, x.Capture)
	e.number(AttrDecodeFlags, int64(x.Decode))
	e.number(AttrRequestSeq, int64(x.RequestSeq))
	e.number(AttrResponseSeq, int64(x.ResponseSeq))
}

// text leaves out the empty text, number the zero; count takes zero too.
func (e *attrs) text(k, v string) {
	switch {
	case v == "":
	case e.yield != nil:
		e.yield(Attr{Key: k, Text: v})
	default:
		e.json = appendMember(e.json, k, v)
	}
}

func (e *attrs) number(k string, v int64) {
	if v != 0 {
		e.count(k, v)
	}
}

func (e *attrs) count(k string, v int64) {
	if e.yield != nil {
		e.yield(Attr{Key: k, Int: v, IsInt: true})
		return
	}
	e.json = appendInt(appendKey(e.json, k), v)
}

// digits is a number that is told as text.
func (e *attrs) digits(k string, v uint64) {
	if e.yield != nil {
		e.yield(Attr{Key: k, Text: string(appendUint(nil, v))})
		return
	}
	e.json = append(appendUint(append(appendKey(e.json, k), '"'), v), '"')
}

// foreign is text under a key whose end came out of traffic.
func (e *attrs) foreign(prefix, k, v string) {
	if e.yield != nil {
		e.yield(Attr{Key: prefix + k, Text: v, Foreign: true})
		return
	}
	e.json = append(append(e.json, `,"`...), prefix...)
	e.json = append(appendText(e.json, k), `":`...)
	e.json = appendString(e.json, v)
}

func (e *attrs) flag(k string, v bool) {
	if v {
		e.text(k, "true")
	}
}

// unix tells of a Unix socket. For HTTP server.address is the host that was
// asked for, whatever carries it.
func (e *attrs) unix(x *Exchange) {
	if x.Unix == "" {
		return
	}
	e.text(AttrTransport, TransportUnix)
	e.text(AttrLocalAddress, x.Unix)
	if x.HTTP == nil {
		e.text(AttrServerAddress, x.Unix)
	}
}

func (e *attrs) http(x *Exchange, h *HTTP) {
	e.text(AttrHTTPMethod, h.Method)
	e.text(AttrURLScheme, h.Scheme)
	e.text(AttrServerAddress, h.Host)
	e.number(AttrServerPort, int64(h.Port))
	e.text(AttrURLPath, h.Path)
	e.text(AttrURLQuery, h.Query)
	e.text(AttrHTTPRoute, h.Route)
	e.text(AttrRouteGuess, h.Template)
	e.number(AttrHTTPStatus, int64(h.StatusCode))
	e.count(AttrHTTPRequestBody, h.RequestBody)
	if h.StatusCode != 0 {
		e.count(AttrHTTPResponseBody, h.ResponseBody)
	}
	e.text(AttrProtocolName, "http")
	e.text(AttrProtocolVersion, h.Version)
	e.text(AttrUserAgent, h.UserAgent)
	e.text(AttrHTTPRequestID, h.RequestID)
	e.text(AttrHTTPUpgrade, h.Upgrade)
	e.number(AttrHTTPInterim, int64(h.Interim))
}

func (e *attrs) http2(h *H2) {
	e.count(AttrHTTP2Stream, int64(h.StreamID))
	e.flag(AttrHTTP2Pushed, h.Pushed)
	e.text(AttrHTTP2Reset, h.Reset)
	e.text(AttrHTTP2ResetBy, h.ResetBy)
}

func (e *attrs) grpc(g *RPC) {
	e.text(AttrRPCSystem, SystemGRPC)
	e.text(AttrRPCMethod, g.Method)
	e.text(AttrRPCStatus, GRPCStatus(g.Status))
	e.text(AttrGRPCMessage, g.Message)
	e.number(AttrGRPCTimeout, g.Timeout)
	e.count(AttrGRPCRequestMessages, g.RequestMessages)
	e.count(AttrGRPCResponseMessages, g.ResponseMessages)
	e.number(AttrGRPCRequestPayload, g.RequestPayload)
	e.number(AttrGRPCResponsePayload, g.ResponsePayload)
	e.number(AttrGRPCRequestCompressed, g.RequestCompressed)
	e.number(AttrGRPCResponseCompressed, g.ResponseCompressed)
	e.text(AttrGRPCEncoding, g.Encoding)
	e.text(AttrGRPCStreaming, g.Streaming)
	e.text(AttrGRPCWeb, g.Web)
	e.flag(AttrGRPCTrailersOnly, g.TrailersOnly)
	e.text(AttrGRPCRequestJSON, g.RequestJSON)
	e.text(AttrGRPCResponseJSON, g.ResponseJSON)
	for _, kv := range g.Metadata {
		e.foreign("", kv.Key, kv.Value)
	}
}

func (e *attrs) websocket(w *WS) {
	e.count(AttrWSClientMessages, w.ClientMessages)
	e.count(AttrWSServerMessages, w.ServerMessages)
	e.number(AttrWSClientFrames, w.ClientFrames)
	e.number(AttrWSServerFrames, w.ServerFrames)
	e.number(AttrWSClientPayload, w.ClientPayload)
	e.number(AttrWSServerPayload, w.ServerPayload)
	e.number(AttrWSPings, w.Pings)
	e.number(AttrWSPingRTT, w.PingRTT)
	e.number(AttrWSCloseCode, int64(w.CloseCode))
	e.text(AttrWSCloseReason, w.CloseReason)
	e.text(AttrWSClosedBy, w.ClosedBy)
	e.text(AttrWSSubprotocol, w.Subprotocol)
	e.text(AttrWSExtensions, w.Extensions)
}

func (e *attrs) mongo(x *Exchange, m *Mongo) {
	e.text(AttrDBSystem, SystemMongoDB)
	e.text(AttrDBNamespace, m.Database)
	e.text(AttrDBCollection, m.Collection)
	e.text(AttrDBOperation, m.Operation)
	e.text(AttrDBSummary, x.Name)
	e.text(AttrDBQueryText, m.Query)
	if m.Shape != 0 {
		e.digits(AttrDBShape, m.Shape)
	}
	e.text(AttrDBClass, m.Class.String())
	if m.Batch >= 2 { // semantic conventions: only batches of two or more
		e.count(AttrDBBatchSize, m.Batch)
	}
	if m.Returned >= 0 {
		e.count(AttrDBRows, m.Returned)
	}
	if m.Affected >= 0 {
		e.count(AttrDBAffected, m.Affected)
	}
	if m.Code != 0 {
		e.text(AttrDBStatus, strconv.Itoa(int(m.Code)))
	}
	e.text(AttrDBCodeName, m.CodeName)
	e.number(AttrDBLimit, m.Limit)
	e.mongoWire(x, m)
	e.site(&m.Site)
}

func (e *attrs) mongoWire(x *Exchange, m *Mongo) {
	if x.Decode&NoRequest == 0 {
		e.count(AttrMongoRequestID, int64(m.RequestID))
	}
	e.text(AttrMongoOpcode, MongoOpcode(m.Opcode))
	e.text(AttrMongoCompressor, m.Compressor)
	e.text(AttrMongoApp, m.Application)
	e.text(AttrMongoDriver, m.Driver)
	e.number(AttrMongoCursor, m.Cursor)
	e.text(AttrMongoLSID, m.Session)
	if m.TxnNumber >= 0 {
		e.count(AttrMongoTxn, m.TxnNumber)
	}
	e.flag(AttrMongoMore, m.MoreToCome)
	if m.Replies > 1 {
		e.count(AttrMongoReplies, int64(m.Replies))
	}
	e.flag(AttrMongoExhaust, m.Exhaust)
	e.mongoSession(m)
	if m.Handshake != nil {
		e.handshake(m.Handshake)
	}
}

func (e *attrs) mongoSession(m *Mongo) {
	e.text(AttrMongoTransaction, m.Transaction.String())
	e.flag(AttrMongoRetryable, m.Retryable)
	e.text(AttrMongoCursorType, m.CursorKind.String())
	e.flag(AttrMongoCursorDone, m.CursorDone)
	e.flag(AttrMongoAwait, m.Await)
	e.flag(AttrMongoChatter, m.Chatter)
	e.text(AttrMongoLabels, m.Labels)
	e.number(AttrMongoWriteErrors, int64(m.WriteErrors))
	e.number(AttrMongoNamespaces, int64(m.Namespaces))
}

func (e *attrs) handshake(h *MongoHandshake) {
	e.text(AttrMongoOS, h.OS)
	e.text(AttrMongoPlatform, h.Platform)
	e.text(AttrMongoCompressors, h.Compressors)
	e.text(AttrMongoMechanism, h.Mechanism)
	e.text(AttrMongoReplicaSet, h.ReplicaSet)
	e.text(AttrMongoRole, h.Role)
	if h.MaxWire != 0 {
		e.count(AttrMongoMinWire, int64(h.MinWire))
		e.count(AttrMongoMaxWire, int64(h.MaxWire))
	}
	e.number(AttrMongoConnectionID, h.ConnectionID)
}

func (e *attrs) site(s *CallSite) {
	e.text(AttrCallSite, s.Name)
	e.flag(AttrCallSiteInherited, s.Inherited)
	e.text(AttrCodeFunction, s.Function)
	e.text(AttrCodeFile, s.File)
	e.number(AttrCodeLine, int64(s.Line))
	e.number(AttrCodeColumn, int64(s.Column))
	e.text(AttrCommentApp, s.Application)
	e.text(AttrCommentEnv, s.Environment)
	e.text(AttrCommentController, s.Controller)
	e.text(AttrCommentAction, s.Action)
	e.text(AttrCommentRoute, s.Route)
	e.text(AttrCommentText, s.Text)
	e.text(AttrCommentStack, s.Stack)
	e.number(AttrCommentOther, int64(s.Other))
	for _, kv := range s.Extra {
		e.foreign(AttrCommentPrefix, kv.Key, kv.Value)
	}
}
