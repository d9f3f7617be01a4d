package clickhouse

import (
	"math"
	"net/netip"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// spans collects rows of otel_traces by column.
type spans struct {
	columns []field
	arena   arena
	names   guard
	sites   guard
	shift   int64
	version string
	attr    func(event.Attr) // made once, as a method value allocates

	at                                                          []time.Time
	traceID, spanID, parentID, state, name, kind, service       []string
	scope, scopeVersion, status, message                        []string
	resource, attrs                                             attrMaps
	duration, reqBytes, respBytes, ttfb, shape                  []uint64
	protocol, peer, cluster, host, rpcStatus, errorType         []string
	dbNamespace, dbCollection, dbOperation, callSite, captureID []string
	attempt                                                     []uint8
	httpStatus, decodeFlags                                     []uint16
	docs                                                        []uint32
}

// Column types as sent over HTTP. Low-cardinality columns go as plain text: the server builds their dictionaries faster than a client. The keys
// of attributes are the exception: they are most of a row's bytes, and boxed already.
const (
	text    = "String"
	textMap = "Map(LowCardinality(String), String)"
	instant = "DateTime64(9)"
)

func (s *spans) init(o Options) {
	s.names.max, s.sites.max = orDefault(o.MaxNames, 1000), orDefault(o.MaxSites, 2000)
	s.shift, s.version = int64(o.Shift), o.Version
	s.attr = s.attribute
	s.columns = []field{
		values("Timestamp", instant, &s.at), values("TraceId", text, &s.traceID), values("SpanId", text, &s.spanID),
		values("ParentSpanId", text, &s.parentID), values("TraceState", text, &s.state), values("SpanName", text, &s.name),
		values("SpanKind", text, &s.kind), values("ServiceName", text, &s.service),
		maps("ResourceAttributes", &s.resource),
		values("ScopeName", text, &s.scope), values("ScopeVersion", text, &s.scopeVersion),
		maps("SpanAttributes", &s.attrs),
		values("Duration", "UInt64", &s.duration), values("StatusCode", text, &s.status), values("StatusMessage", text, &s.message),
		values("Protocol", text, &s.protocol), values("PeerService", text, &s.peer), values("Cluster", text, &s.cluster),
		values("UpstreamHost", text, &s.host), values("Attempt", "UInt8", &s.attempt), values("HttpStatus", "UInt16", &s.httpStatus),
		values("RpcStatus", text, &s.rpcStatus), values("ErrorType", text, &s.errorType), values("DbNamespace", text, &s.dbNamespace),
		values("DbCollection", text, &s.dbCollection), values("DbOperation", text, &s.dbOperation), values("QueryShape", "UInt64", &s.shape),
		values("CallSite", text, &s.callSite), values("DocsReturned", "UInt32", &s.docs), values("ReqBytes", "UInt64", &s.reqBytes),
		values("RespBytes", "UInt64", &s.respBytes), values("TtfbNs", "UInt64", &s.ttfb), values("Capture", text, &s.captureID),
		values("DecodeFlags", "UInt16", &s.decodeFlags),
	}
}

// values is a column over a slice that the caller appends to.
func values[T any](name, kind string, v *[]T) field {
	return field{
		name: name, kind: kind, rows: func() int { return len(*v) },
		put:   func(c into) error { return c.Append(*v) },
		empty: func() { *v = (*v)[:0] },
	}
}

// maps is a Map column.
func maps(name string, m *attrMaps) field {
	return field{name: name, kind: textMap, rows: m.rows, put: m.put, empty: m.reset}
}

func orDefault(v, otherwise int) int {
	if v > 0 {
		return v
	}
	return otherwise
}

func (s *spans) reset() {
	s.arena.reset()
	for _, c := range s.columns {
		c.empty()
	}
}

// add appends one row. Texts may point into the batch and the arena; both outlive the block.
func (s *spans) add(x *event.Exchange) {
	s.at = append(s.at, stamp(x.Start, s.shift))
	s.traceID = append(s.traceID, s.arena.hex(x.TraceID[:]))
	s.spanID = append(s.spanID, s.arena.hex(x.SpanID[:]))
	s.parentID = append(s.parentID, s.arena.hex(x.ParentID[:]))
	s.state = append(s.state, x.TraceState)
	s.name = append(s.name, s.names.name(x.Service, x.Name))
	s.kind = append(s.kind, kindText(x.Kind))
	s.service = append(s.service, x.Service)
	s.scope, s.scopeVersion = append(s.scope, "pitot"), append(s.scopeVersion, s.version)
	s.duration = append(s.duration, unsigned(x.Duration()))
	s.status = append(s.status, statusText(x.Status))
	s.message = append(s.message, x.StatusMessage)
	s.addHot(x)
	s.addMaps(x)
}

// addHot fills the typed columns.
func (s *spans) addHot(x *event.Exchange) {
	s.protocol = append(s.protocol, protocolText(x))
	s.peer, s.cluster, s.host = append(s.peer, x.Peer), append(s.cluster, x.Cluster), append(s.host, x.Endpoint)
	s.attempt = append(s.attempt, x.Attempt)
	s.errorType, s.captureID = append(s.errorType, x.ErrorType), append(s.captureID, x.Capture)
	s.reqBytes, s.respBytes = append(s.reqBytes, unsigned(x.RequestBytes)), append(s.respBytes, unsigned(x.ResponseBytes))
	s.ttfb, s.decodeFlags = append(s.ttfb, unsigned(x.TTFB())), append(s.decodeFlags, uint16(x.Decode))
	status := uint16(0)
	if h := x.HTTP; h != nil {
		status = uint16(min(max(h.StatusCode, 0), math.MaxUint16))
	}
	s.httpStatus = append(s.httpStatus, status)
	rpc := ""
	if x.GRPC != nil {
		rpc = event.GRPCStatus(x.GRPC.Status)
	}
	s.rpcStatus = append(s.rpcStatus, rpc)
	s.addMongo(x)
}

func (s *spans) addMongo(x *event.Exchange) {
	m := x.Mongo
	if m == nil {
		m = &noMongo
	}
	site := m.Site.Name
	if site == "" {
		site = m.Site.Function
	}
	s.dbNamespace, s.dbCollection, s.dbOperation = append(s.dbNamespace, m.Database), append(s.dbCollection, m.Collection), append(s.dbOperation, m.Operation)
	s.shape = append(s.shape, m.Shape)
	s.callSite = append(s.callSite, s.sites.site(x.Service, site))
	s.docs = append(s.docs, uint32(min(max(m.Returned, 0), math.MaxUint32)))
}

// noMongo stands for the missing part; it is only read.
var noMongo event.Mongo

// addMaps fills ResourceAttributes and SpanAttributes.
func (s *spans) addMaps(x *event.Exchange) {
	s.resource.add("service.name", x.Service)
	s.resource.end()
	x.Attributes(s.attr)
	s.address(event.AttrClientAddress, event.AttrClientPort, x.Client)
	s.address(event.AttrLocalAddress, event.AttrLocalPort, x.Server)
	s.attrs.add(event.AttrTCPStream, s.arena.number(x.Stream))
	if x.Flags != 0 {
		s.attrs.add(event.AttrResponseFlags, s.arena.text(x.Flags.Append))
	}
	s.attrs.end()
}

func (s *spans) attribute(a event.Attr) {
	if a.IsInt {
		s.attrs.add(a.Key, s.arena.number(a.Int))
		return
	}
	s.attrs.add(a.Key, a.Text)
}

func (s *spans) address(host, port string, a netip.AddrPort) {
	if !a.IsValid() {
		return
	}
	s.attrs.add(host, s.arena.text(a.Addr().Unmap().AppendTo))
	s.attrs.add(port, s.arena.number(int64(a.Port())))
}

// stamp is a time that the column can hold; what lies before 1970 becomes 1970.
func stamp(ns, shift int64) time.Time { return time.Unix(0, max(0, ns+shift)).UTC() }

func unsigned(v int64) uint64 { return uint64(max(0, v)) }

// kindText and statusText are the texts of the OpenTelemetry exporter, which readers compare with.
func kindText(k event.Kind) string {
	if k == event.Client {
		return "Client"
	}
	return "Server"
}

func statusText(s event.Status) string {
	switch s {
	case event.OK:
		return "Ok"
	case event.Error:
		return "Error"
	}
	return "Unset"
}

// protocolText is the protocol's family, as the column's default makes it for rows of a collector.
func protocolText(x *event.Exchange) string {
	if x.GRPC != nil { // gRPC-Web on HTTP/1 too
		return event.SystemGRPC
	}
	switch x.Protocol {
	case event.HTTP10, event.HTTP11, event.HTTP2:
		return "http"
	}
	return x.Protocol.String()
}
