package event

// Names of attributes and events as they leave pitot: OpenTelemetry's semantic
// conventions 1.44 where they have one, else our own under "pitot.". All of
// them stand here, so that a renaming upstream is one line.
const (
	AttrHTTPMethod       = "http.request.method"
	AttrHTTPStatus       = "http.response.status_code"
	AttrHTTPRequestBody  = "http.request.body.size"
	AttrHTTPResponseBody = "http.response.body.size"
	AttrHTTPResendCount  = "http.request.resend_count"
	AttrHTTPRoute        = "http.route"
	AttrHTTPUpgrade      = "pitot.http.upgrade"
	AttrHTTPInterim      = "pitot.http.interim"
	AttrHTTPRequestID    = "http.request.header.x-request-id"
	AttrURLScheme        = "url.scheme"
	AttrURLPath          = "url.path"
	AttrURLQuery         = "url.query"
	AttrUserAgent        = "user_agent.original"
	AttrRouteGuess       = "pitot.route.guess"

	AttrServerAddress   = "server.address"
	AttrServerPort      = "server.port"
	AttrClientAddress   = "client.address"
	AttrClientPort      = "client.port"
	AttrLocalAddress    = "network.local.address"
	AttrLocalPort       = "network.local.port"
	AttrPeerAddress     = "network.peer.address"
	AttrPeerPort        = "network.peer.port"
	AttrProtocolName    = "network.protocol.name"
	AttrProtocolVersion = "network.protocol.version"
	AttrErrorType       = "error.type"
	AttrServicePeer     = "service.peer.name"

	AttrRPCStatus = "rpc.response.status_code"

	AttrDBSystem     = "db.system.name"
	AttrDBNamespace  = "db.namespace"
	AttrDBCollection = "db.collection.name"
	AttrDBOperation  = "db.operation.name"
	AttrDBBatchSize  = "db.operation.batch.size"
	AttrDBSummary    = "db.query.summary"
	AttrDBQueryText  = "db.query.text"
	AttrDBRows       = "db.response.returned_rows"
	AttrDBStatus     = "db.response.status_code"
	AttrDBShape      = "pitot.db.shape"
	AttrDBLimit      = "pitot.db.limit"
	AttrDBClass      = "pitot.db.query_class"
	AttrDBAffected   = "pitot.db.affected_rows"
	AttrDBCodeName   = "pitot.db.error_name"

	AttrMongoRequestID  = "pitot.mongo.request_id"
	AttrMongoOpcode     = "pitot.mongo.opcode"
	AttrMongoCompressor = "pitot.mongo.compressor"
	AttrMongoDriver     = "pitot.mongo.driver"
	AttrMongoApp        = "pitot.mongo.application"
	AttrMongoMore       = "pitot.mongo.more_to_come"
	AttrMongoReplies    = "pitot.mongo.replies"
	AttrMongoCursor     = "db.mongodb.cursor_id"
	AttrMongoLSID       = "db.mongodb.lsid"
	AttrMongoTxn        = "db.mongodb.txn_number"

	AttrCallSite          = "pitot.call_site"
	AttrCallSiteInherited = "pitot.call_site.inherited"
	AttrCodeFunction      = "code.function.name"
	AttrCodeFile          = "code.file.path"
	AttrCodeLine          = "code.line.number"
	AttrCodeColumn        = "code.column.number"
	AttrCommentApp        = "pitot.comment.app"
	AttrCommentEnv        = "pitot.comment.env"
	AttrCommentController = "pitot.comment.controller"
	AttrCommentAction     = "pitot.comment.action"
	AttrCommentRoute      = "pitot.comment.route"
	AttrCommentText       = "pitot.comment.text"
	AttrCommentStack      = "pitot.comment.stack"
	AttrCommentOther      = "pitot.comment.other"
	AttrCommentPrefix     = "pitot.comment."

	AttrListener      = "pitot.listener"
	AttrCluster       = "pitot.upstream.cluster"
	AttrTTFB          = "pitot.ttfb_ns"
	AttrRequestBytes  = "pitot.request.bytes"
	AttrResponseBytes = "pitot.response.bytes"
	AttrCapture       = "pitot.capture.id"
	AttrDecodeFlags   = "pitot.decode.flags"
	AttrResponseFlags = "pitot.response_flags"
	AttrTCPStream     = "pitot.tcp.stream"
	AttrRequestSeq    = "pitot.tcp.req_seq"
	AttrResponseSeq   = "pitot.tcp.resp_seq"
)

// Names of notices.
const (
	EventCaptureGap    = "pitot.event.capture_gap"
	EventDecodeFailure = "pitot.event.decode_failure"
	EventUpgraded      = "pitot.event.connection_upgraded"
	EventReset         = "pitot.event.connection_reset"
	EventAmbiguous     = "pitot.event.ambiguous_message"
	EventLoss          = "pitot.event.loss"
)

// ErrUnanswered is error.type of an exchange that never got its answer.
const ErrUnanswered = "unanswered"

// SystemMongoDB is the value of AttrDBSystem.
const SystemMongoDB = "mongodb"
