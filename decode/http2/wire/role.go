package wire

// Role is what a field's name means to a decoder, a proxy or a layer above
// them. It is found once for an entry of a table, however often the entry is
// referred to.
type Role uint8

const (
	RoleUnset Role = iota // not looked up yet: RoleOf tells
	RoleOther             // any other name

	// Pseudo-fields of requests (RFC 9113, 8.3.1; RFC 8441, 4) and answers.
	RoleMethod
	RoleScheme
	RoleAuthority
	RolePath
	RoleProtocol
	RoleStatus

	// Fields of a connection, which HTTP/2 does not have (RFC 9113, 8.2.2).
	RoleConnection
	RoleProxyConnection
	RoleKeepAlive
	RoleTransferEncoding
	RoleUpgrade
	RoleHTTP2Settings

	// Secrets.
	RoleAuthorization
	RoleProxyAuthorization
	RoleCookie
	RoleSetCookie

	// What a proxy or a decoder asks for.
	RoleHost
	RoleTE
	RoleContentLength
	RoleContentType
	RoleContentEncoding
	RoleExpect
	RoleTrailer
	RoleVia
	RoleForwarded
	RoleXForwardedFor
	RoleXForwardedProto
	RoleXForwardedHost
	RoleUserAgent
	RoleRequestID
	RoleTraceparent
	RoleTracestate
	RoleB3
	RoleB3TraceID
	RoleB3SpanID
	RoleUberTraceID
	RoleGRPCTimeout
	RoleGRPCEncoding
	RoleGRPCStatus
	RoleGRPCMessage
	RoleWebSocketExtensions
	RoleWebSocketProtocol
	RolePriority

	// What an encoder treats in a way of its own.
	RoleDate
	RoleAge
	RoleETag
	RoleLastModified
	RoleExpires
	RoleIfModifiedSince
	RoleIfNoneMatch
	RoleRange
	RoleContentRange
	RoleAccept
	RoleAcceptEncoding
	RoleAcceptLanguage
	RoleServer
	RoleCacheControl
	RoleVary

	// The other names of the static table (RFC 7541, Appendix A).
	RoleAcceptCharset
	RoleAcceptRanges
	RoleAllowOrigin
	RoleAllow
	RoleContentDisposition
	RoleContentLanguage
	RoleContentLocation
	RoleFrom
	RoleIfMatch
	RoleIfRange
	RoleIfUnmodifiedSince
	RoleLink
	RoleLocation
	RoleMaxForwards
	RoleProxyAuthenticate
	RoleReferer
	RoleRefresh
	RoleRetryAfter
	RoleStrictTransport
	RoleWWWAuthenticate

	Roles // how many there are
)

// how an encoder treats a field (RFC 7541, 6.2).
type how uint8

const (
	onceMore how = iota // put into the table when it comes a second time
	always              // put into the table at once: the same for many messages
	never               // not put into the table: another one in each message
	secret              // nor by anybody on the way (RFC 7541, 7.1.3)
)

var roleNames = [Roles]struct {
	name string
	how  how
}{
	RoleMethod: {":method", always}, RoleScheme: {":scheme", always}, RoleAuthority: {":authority", always}, RolePath: {":path", onceMore},
	RoleProtocol: {":protocol", always}, RoleStatus: {":status", always},
	RoleConnection: {"connection", never}, RoleProxyConnection: {"proxy-connection", never}, RoleKeepAlive: {"keep-alive", never},
	RoleTransferEncoding: {"transfer-encoding", never}, RoleUpgrade: {"upgrade", never}, RoleHTTP2Settings: {"http2-settings", never},
	RoleAuthorization: {"authorization", secret}, RoleProxyAuthorization: {"proxy-authorization", secret}, RoleCookie: {"cookie", secret},
	RoleSetCookie: {"set-cookie", secret},
	RoleHost:      {"host", always}, RoleTE: {"te", always}, RoleContentLength: {"content-length", never}, RoleContentType: {"content-type", always},
	RoleContentEncoding: {"content-encoding", always}, RoleExpect: {"expect", onceMore}, RoleTrailer: {"trailer", onceMore}, RoleVia: {"via", onceMore},
	RoleForwarded: {"forwarded", onceMore}, RoleXForwardedFor: {"x-forwarded-for", onceMore}, RoleXForwardedProto: {"x-forwarded-proto", always},
	RoleXForwardedHost: {"x-forwarded-host", onceMore}, RoleUserAgent: {"user-agent", onceMore}, RoleRequestID: {"x-request-id", never},
	RoleTraceparent: {"traceparent", never}, RoleTracestate: {"tracestate", never}, RoleB3: {"b3", never}, RoleB3TraceID: {"x-b3-traceid", never},
	RoleB3SpanID: {"x-b3-spanid", never}, RoleUberTraceID: {"uber-trace-id", never},
	RoleGRPCTimeout: {"grpc-timeout", onceMore}, RoleGRPCEncoding: {"grpc-encoding", always}, RoleGRPCStatus: {"grpc-status", always},
	RoleGRPCMessage: {"grpc-message", onceMore}, RoleWebSocketExtensions: {"sec-websocket-extensions", onceMore},
	RoleWebSocketProtocol: {"sec-websocket-protocol", onceMore}, RolePriority: {"priority", onceMore},
	RoleDate: {"date", never}, RoleAge: {"age", never}, RoleETag: {"etag", never}, RoleLastModified: {"last-modified", never},
	RoleExpires: {"expires", never}, RoleIfModifiedSince: {"if-modified-since", never}, RoleIfNoneMatch: {"if-none-match", never},
	RoleRange: {"range", never}, RoleContentRange: {"content-range", never},
	RoleAccept: {"accept", onceMore}, RoleAcceptEncoding: {"accept-encoding", onceMore}, RoleAcceptLanguage: {"accept-language", onceMore},
	RoleServer: {"server", always}, RoleCacheControl: {"cache-control", onceMore}, RoleVary: {"vary", onceMore},
	RoleAcceptCharset: {"accept-charset", onceMore}, RoleAcceptRanges: {"accept-ranges", onceMore}, RoleAllowOrigin: {"access-control-allow-origin", onceMore},
	RoleAllow: {"allow", onceMore}, RoleContentDisposition: {"content-disposition", never}, RoleContentLanguage: {"content-language", onceMore},
	RoleContentLocation: {"content-location", never}, RoleFrom: {"from", onceMore}, RoleIfMatch: {"if-match", never},
	RoleIfRange: {"if-range", never}, RoleIfUnmodifiedSince: {"if-unmodified-since", never}, RoleLink: {"link", onceMore},
	RoleLocation: {"location", never}, RoleMaxForwards: {"max-forwards", onceMore}, RoleProxyAuthenticate: {"proxy-authenticate", onceMore},
	RoleReferer: {"referer", onceMore}, RoleRefresh: {"refresh", onceMore}, RoleRetryAfter: {"retry-after", never},
	RoleStrictTransport: {"strict-transport-security", onceMore}, RoleWWWAuthenticate: {"www-authenticate", onceMore},
}

// Name is the name of the fields of a role; "" for RoleUnset and RoleOther.
func (r Role) Name() string { return roleNames[r].name }

// Pseudo reports whether fields of the role are pseudo-fields. A name of
// RoleOther that begins with a colon is one that nobody knows.
func (r Role) Pseudo() bool { return r >= RoleMethod && r <= RoleStatus }

// OfConnection reports whether fields of the role concern one connection of
// HTTP/1.1, and so make a message of HTTP/2 malformed. TE is not among them,
// which may say "trailers".
func (r Role) OfConnection() bool { return r >= RoleConnection && r <= RoleHTTP2Settings }

// Secret reports whether fields of the role are never to be put into a table.
func (r Role) Secret() bool { return r >= RoleAuthorization && r <= RoleSetCookie }

// byName finds roles by a few bytes of their names.
var byName = spread()

const nameSlots = 256

func slot(name string) uint {
	n := uint(len(name))
	return (n*9 + uint(name[0])*5 + uint(name[n/2])*17 + uint(name[n-1])*3) % nameSlots
}

func spread() (t [nameSlots]Role) {
	for r := RoleMethod; r < Roles; r++ {
		i := slot(r.Name())
		for t[i] != RoleUnset {
			i = (i + 1) % nameSlots
		}
		t[i] = r
	}
	return t
}

// RoleOf is the role of a name in lower case.
func RoleOf(name string) Role {
	if name == "" {
		return RoleOther
	}
	for i := slot(name); byName[i] != RoleUnset; i = (i + 1) % nameSlots {
		if r := byName[i]; roleNames[r].name == name {
			return r
		}
	}
	return RoleOther
}
