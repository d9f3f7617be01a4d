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
	AttrRouteName        = "pitot.route.name"
	AttrRouteGuess       = "pitot.route.guess"

	AttrServerAddress   = "server.address"
	AttrServerPort      = "server.port"
	AttrClientAddress   = "client.address"
	AttrClientPort      = "client.port"
	AttrLocalAddress    = "network.local.address"
	AttrLocalPort       = "network.local.port"
	AttrPeerAddress     = "network.peer.address"
	AttrPeerPort        = "network.peer.port"
	AttrTransport       = "network.transport"
	AttrProtocolName    = "network.protocol.name"
	AttrProtocolVersion = "network.protocol.version"
	AttrErrorType       = "error.type"
	AttrServicePeer     = "service.peer.name"

	AttrHTTP2Stream  = "pitot.http2.stream_id"
	AttrHTTP2Pushed  = "pitot.http2.pushed"
	AttrHTTP2Reset   = "pitot.http2.reset"
	AttrHTTP2ResetBy = "pitot.http2.reset_by"

	AttrRPCSystem           = "rpc.system.name"
	AttrRPCMethod           = "rpc.method"
	AttrRPCStatus           = "rpc.response.status_code"
	AttrRPCRequestMetadata  = "rpc.request.metadata."
	AttrRPCResponseMetadata = "rpc.response.metadata."

	AttrGRPCMessage            = "pitot.grpc.message"
	AttrGRPCTimeout            = "pitot.grpc.timeout_ns"
	AttrGRPCRequestMessages    = "pitot.grpc.request_messages"
	AttrGRPCResponseMessages   = "pitot.grpc.response_messages"
	AttrGRPCRequestPayload     = "pitot.grpc.request_payload"
	AttrGRPCResponsePayload    = "pitot.grpc.response_payload"
	AttrGRPCRequestCompressed  = "pitot.grpc.request_compressed"
	AttrGRPCResponseCompressed = "pitot.grpc.response_compressed"
	AttrGRPCEncoding           = "pitot.grpc.encoding"
	AttrGRPCStreaming          = "pitot.grpc.streaming"
	AttrGRPCWeb                = "pitot.grpc.web"
	AttrGRPCTrailersOnly       = "pitot.grpc.trailers_only"
	AttrGRPCRequestJSON        = "pitot.grpc.request_json"
	AttrGRPCResponseJSON       = "pitot.grpc.response_json"

	AttrWSClientMessages = "pitot.websocket.client_messages"
	AttrWSServerMessages = "pitot.websocket.server_messages"
	AttrWSClientFrames   = "pitot.websocket.client_frames"
	AttrWSServerFrames   = "pitot.websocket.server_frames"
	AttrWSClientPayload  = "pitot.websocket.client_payload"
	AttrWSServerPayload  = "pitot.websocket.server_payload"
	AttrWSPings          = "pitot.websocket.pings"
	AttrWSPingRTT        = "pitot.websocket.ping_rtt_ns"
	AttrWSCloseCode      = "pitot.websocket.close_code"
	AttrWSCloseReason    = "pitot.websocket.close_reason"
	AttrWSClosedBy       = "pitot.websocket.closed_by"
	AttrWSSubprotocol    = "pitot.websocket.subprotocol"
	AttrWSExtensions     = "pitot.websocket.extensions"

	// Of the event that tells a TLS connection.
	AttrTLSServerName = "tls.client.server_name"
	AttrTLSALPN       = "tls.next_protocol"
	AttrTLSVersion    = "tls.protocol.version"
	AttrTLSCipher     = "tls.cipher"
	AttrTLSProtocol   = "tls.protocol.name"
	AttrTLSResumed    = "tls.resumed"
	AttrTLSJA4        = "pitot.tls.ja4"
	AttrTLSOffered    = "pitot.tls.offered_protocols"
	AttrTLSECH        = "pitot.tls.ech"
	AttrTLSAlert      = "pitot.tls.alert"
	AttrTLSFailure    = "pitot.tls.failure" // why a handshake failed, in one word

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

	AttrMongoLabels      = "pitot.mongo.error_labels"
	AttrMongoWriteErrors = "pitot.mongo.write_errors"
	AttrMongoNamespaces  = "pitot.mongo.namespaces"
	AttrMongoExhaust     = "pitot.mongo.exhaust"
	AttrMongoTransaction = "pitot.mongo.transaction"
	AttrMongoRetryable   = "pitot.mongo.retryable_write"
	AttrMongoCursorType  = "pitot.mongo.cursor_type"
	AttrMongoCursorDone  = "pitot.mongo.cursor_closed"
	AttrMongoAwait       = "pitot.mongo.await"
	AttrMongoChatter     = "pitot.mongo.chatter"

	// Of the handshake, told once a connection.
	AttrMongoOS           = "pitot.mongo.os"
	AttrMongoPlatform     = "pitot.mongo.platform"
	AttrMongoCompressors  = "pitot.mongo.compressors"
	AttrMongoMechanism    = "pitot.mongo.auth_mechanism"
	AttrMongoReplicaSet   = "pitot.mongo.replica_set"
	AttrMongoRole         = "pitot.mongo.server_role"
	AttrMongoMinWire      = "pitot.mongo.min_wire_version"
	AttrMongoMaxWire      = "pitot.mongo.max_wire_version"
	AttrMongoConnectionID = "db.mongodb.server_connection_id"

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

	// Of active health checks.
	AttrHealthState   = "pitot.health.state"   // healthy, degraded or unhealthy
	AttrHealthChanged = "pitot.health.changed" // true, or false where each check is told
	AttrHealthCheck   = "pitot.health.check"   // the kind of check, or passive
	AttrHealthReason  = "pitot.health.reason"
	AttrHealthLatency = "pitot.health.latency_ns"
	AttrHealthLag     = "pitot.mongodb.lag_ns" // behind the newest write of the replica set

	// Of ejections, found or carried out; rates are percentages.
	AttrOutlierType        = "pitot.outlier.type"     // the detector, as Envoy names it
	AttrOutlierEnforced    = "pitot.outlier.enforced" // true or false
	AttrOutlierReason      = "pitot.outlier.reason"   // why not, or why the ejection is over
	AttrOutlierEjections   = "pitot.outlier.num_ejections"
	AttrOutlierLast        = "pitot.outlier.secs_since_last_action" // -1 where there was none
	AttrOutlierLength      = "pitot.outlier.ejected_for_ns"
	AttrOutlierConsecutive = "pitot.outlier.consecutive_failures"
	AttrOutlierThreshold   = "pitot.outlier.threshold"
	AttrOutlierRate        = "pitot.outlier.success_rate"
	AttrOutlierMean        = "pitot.outlier.success_rate_mean"
	AttrOutlierStdev       = "pitot.outlier.success_rate_stdev"
	AttrOutlierRequests    = "pitot.outlier.requests"

	AttrListener      = "pitot.listener"
	AttrCluster       = "pitot.upstream.cluster"
	AttrPicked        = "pitot.upstream.picked_by"
	AttrMirror        = "pitot.mirror"
	AttrMirrorMain    = "pitot.mirror.main." // before what differs: of the answer that the client got
	AttrMirrorOwn     = "pitot.mirror.own."  // of that of the mirror
	AttrRetried       = "pitot.retry.reason"
	AttrMembers       = "pitot.membership.total"
	AttrAdded         = "pitot.membership.added"
	AttrRemoved       = "pitot.membership.removed"
	AttrMissed        = "pitot.membership.missed"  // discovery tells of them no more, from now on
	AttrFound         = "pitot.membership.found"   // it tells of them again
	AttrMissing       = "pitot.membership.missing" // all of whom it tells no more
	AttrBreaker       = "pitot.breaker.threshold"
	AttrBreakerClass  = "pitot.breaker.priority"
	AttrBreakerLimit  = "pitot.breaker.limit"
	AttrShedAction    = "pitot.shed.action" // of the overload manager
	AttrShedBy        = "pitot.shed.by"     // what turned requests away
	AttrRefused       = "pitot.refused"     // how often, from a beginning to its end
	AttrTTFB          = "pitot.ttfb_ns"
	AttrRequestBytes  = "pitot.request.bytes"
	AttrResponseBytes = "pitot.response.bytes"
	AttrCapture       = "pitot.capture.id"
	AttrDecodeFlags   = "pitot.decode.flags"
	AttrResponseFlags = "pitot.response_flags"
	AttrTCPStream     = "pitot.tcp.stream"
	AttrRequestSeq    = "pitot.tcp.req_seq"
	AttrResponseSeq   = "pitot.tcp.resp_seq"

	AttrPhase           = "pitot.phase"            // of what lasts: PhaseBegin, PhaseGoesOn or PhaseEnd
	AttrPanicPriorities = "pitot.panic.priorities" // that are in panic, or were
	AttrPanicThreshold  = "pitot.panic.threshold"  // percent of healthy hosts
	AttrPanicHealthy    = "pitot.panic.healthy"    // hosts
	AttrPanicDegraded   = "pitot.panic.degraded"   // hosts
	AttrRetries         = "pitot.retries.active"   // under way
	AttrLimit           = "pitot.rate_limit.name"
	AttrLimitKey        = "pitot.rate_limit.key"
	AttrLimitRefused    = "pitot.rate_limit.refused"
	AttrLimitEnforced   = "pitot.rate_limit.enforced"
	AttrLimitUnanswered = "pitot.rate_limit.unanswered"

	AttrFault      = "pitot.fault.name"  // or its number in the list
	AttrFaultWhere = "pitot.fault.where" // listener, or listener and route
	AttrFaultCount = "pitot.fault.count" // requests since it began
)

// Names of notices.
const (
	EventCaptureGap    = "pitot.event.capture_gap"
	EventComment       = "pitot.event.capture_comment"
	EventDecodeFailure = "pitot.event.decode_failure"
	EventUpgraded      = "pitot.event.connection_upgraded"
	EventReset         = "pitot.event.connection_reset"
	EventAmbiguous     = "pitot.event.ambiguous_message"
	EventOverlap       = "pitot.event.tcp_overlap"
	EventLoss          = "pitot.event.loss"
	EventViolation     = "pitot.event.protocol_violation"
	EventOrigin        = "pitot.event.origin_unknown"
	EventProxied       = "pitot.event.proxied_connection"
	EventTLS           = "pitot.event.tls_connection"
	EventTLSFailed     = "pitot.event.tls_handshake_failed"
	EventCertReloaded  = "pitot.event.tls_certificate_reloaded"
	EventCertFailed    = "pitot.event.tls_certificate_failed"   // a new file cannot be used; the old certificate stays
	EventCertExpiring  = "pitot.event.tls_certificate_expiring" // within two weeks, or expired

	// What the proxy decided.
	EventHostHealth  = "pitot.event.host_health"           // an active health check changed its mind
	EventEjection    = "pitot.event.host_ejected"          // by outlier detection
	EventWouldEject  = "pitot.event.host_would_be_ejected" // by a detector that is not enforced, or for want of leave
	EventReturned    = "pitot.event.host_returned"         // the ejection is over
	EventMembership  = "pitot.event.membership_changed"
	EventDiscovery   = "pitot.event.discovery_failed"   // what was known stays
	EventPanic       = "pitot.event.panic"              // so few hosts are healthy that health is not looked at; begin and end
	EventBreaker     = "pitot.event.circuit_breaker"    // opened or closed
	EventLimited     = "pitot.event.rate_limited"       // began and ended
	EventLimiter     = "pitot.event.rate_limit_service" // fails or is back
	EventShed        = "pitot.event.load_shed"          // began and ended: admission, concurrency, overload
	EventFault       = "pitot.event.fault_injected"
	EventMirrored    = "pitot.event.mirror_differs"
	EventChanged     = "pitot.event.changed_by_operator"
	EventRetriesOver = "pitot.event.retries_refused" // by the budget; began and ended
)

// The values of AttrPhase.
const (
	PhaseBegin  = "begin"
	PhaseGoesOn = "goes_on"
	PhaseEnd    = "end"
)

// ErrUnanswered is error.type of an exchange that never got its answer.
const ErrUnanswered = "unanswered"

// SystemMongoDB is the value of AttrDBSystem, SystemGRPC that of AttrRPCSystem.
const (
	SystemMongoDB = "mongodb"
	SystemGRPC    = "grpc"
)

// TransportUnix is the value of AttrTransport for what a Unix socket carries;
// for TCP the attribute is left out.
const TransportUnix = "unix"
