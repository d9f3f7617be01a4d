package event

import (
	"strconv"
	"strings"
)

// setAttribute is the inverse of Attributes. The parts that an exchange has
// follow from the attributes that are there.
func (x *Exchange) setAttribute(s *scanner, key string, v value) {
	switch key {
	case AttrErrorType:
		x.ErrorType = v.text
	case AttrServicePeer:
		x.Peer = v.text
	case AttrRouteName:
		x.Route = v.text
	case AttrListener:
		x.Listener = v.text
	case AttrCluster:
		x.Cluster = v.text
	case AttrTransport: // follows from the path
	case AttrLocalAddress:
		x.Unix = v.text
	case AttrPeerAddress:
		x.Endpoint = v.text
	case AttrPicked:
		x.Picked = v.text
	case AttrMirror:
		x.Mirror = v.text == "true"
	case AttrRetried:
		x.Retried = v.text
	case AttrRequestBytes:
		x.RequestBytes = whole[int64](s, key, v)
	case AttrResponseBytes:
		x.ResponseBytes = whole[int64](s, key, v)
	case AttrHTTPResendCount:
		x.Attempt = whole[uint8](s, key, v)
	case AttrCapture:
		x.Capture = v.text
	case AttrDecodeFlags:
		x.Decode |= whole[DecodeFlags](s, key, v)
	case AttrRequestSeq:
		x.RequestSeq = whole[uint32](s, key, v)
	case AttrResponseSeq:
		x.ResponseSeq = whole[uint32](s, key, v)
	default:
		x.setPart(s, key, v)
	}
}

func (x *Exchange) setPart(s *scanner, key string, v value) {
	switch {
	case key == AttrServerAddress && x.HTTP == nil && x.Unix != "": // the same path
	case strings.HasPrefix(key, "db."), strings.HasPrefix(key, "code."), strings.HasPrefix(key, "pitot.db."),
		strings.HasPrefix(key, "pitot.mongo."), strings.HasPrefix(key, "pitot.call_site"), strings.HasPrefix(key, AttrCommentPrefix):
		if x.Mongo == nil {
			x.Mongo = &Mongo{Returned: -1, Affected: -1, TxnNumber: -1}
		}
		x.Mongo.set(s, key, v)
	case strings.HasPrefix(key, "http."), strings.HasPrefix(key, "url."), strings.HasPrefix(key, "server."),
		strings.HasPrefix(key, "network.protocol."), key == AttrUserAgent, key == AttrHTTPRoute, key == AttrRouteGuess, strings.HasPrefix(key, "pitot.http."):
		if x.HTTP == nil {
			x.HTTP = new(HTTP)
		}
		x.HTTP.set(s, key, v)
	default:
		x.setWeb(s, key, v)
	}
}

func (h *HTTP) set(s *scanner, key string, v value) {
	switch key {
	case AttrHTTPMethod:
		h.Method = v.text
	case AttrURLScheme:
		h.Scheme = v.text
	case AttrServerAddress:
		h.Host = v.text
	case AttrServerPort:
		h.Port = whole[uint16](s, key, v)
	case AttrURLPath:
		h.Path = v.text
	case AttrURLQuery:
		h.Query = v.text
	case AttrHTTPRoute:
		h.Route = v.text
	case AttrRouteGuess:
		h.Template = v.text
	case AttrHTTPStatus:
		h.StatusCode = whole[int](s, key, v)
	case AttrHTTPRequestBody:
		h.RequestBody = whole[int64](s, key, v)
	case AttrHTTPResponseBody:
		h.ResponseBody = whole[int64](s, key, v)
	case AttrProtocolVersion:
		h.Version = v.text
	case AttrUserAgent:
		h.UserAgent = v.text
	case AttrHTTPRequestID:
		h.RequestID = v.text
	case AttrHTTPUpgrade:
		h.Upgrade = v.text
	case AttrHTTPInterim:
		h.Interim = whole[uint8](s, key, v)
	}
}

func (m *Mongo) set(s *scanner, key string, v value) {
	switch key {
	case AttrDBNamespace:
		m.Database = v.text
	case AttrDBCollection:
		m.Collection = v.text
	case AttrDBOperation:
		m.Operation = v.text
	case AttrDBQueryText:
		m.Query = v.text
	case AttrDBShape:
		m.Shape = s.unsigned(key, v)
	case AttrDBClass:
		m.Class = parseClass(v.text)
	case AttrDBBatchSize:
		m.Batch = whole[int64](s, key, v)
	case AttrDBRows:
		m.Returned = whole[int64](s, key, v)
	case AttrDBAffected:
		m.Affected = whole[int64](s, key, v)
	case AttrDBStatus:
		m.Code = whole[int32](s, key, v)
	case AttrDBCodeName:
		m.CodeName = v.text
	case AttrDBLimit:
		m.Limit = whole[int64](s, key, v)
	default:
		m.setWire(s, key, v)
	}
}

func (m *Mongo) setWire(s *scanner, key string, v value) {
	switch key {
	case AttrMongoRequestID:
		m.RequestID = whole[int32](s, key, v)
	case AttrMongoOpcode:
		m.Opcode = s.opcode(key, v)
	case AttrMongoCompressor:
		m.Compressor = v.text
	case AttrMongoApp:
		m.Application = v.text
	case AttrMongoDriver:
		m.Driver = v.text
	case AttrMongoCursor:
		m.Cursor = whole[int64](s, key, v)
	case AttrMongoLSID:
		m.Session = v.text
	case AttrMongoTxn:
		m.TxnNumber = whole[int64](s, key, v)
	case AttrMongoMore:
		m.MoreToCome = v.text == "true"
	case AttrMongoReplies:
		m.Replies = whole[uint32](s, key, v)
	default:
		m.setSession(s, key, v)
	}
}

func (c *CallSite) set(s *scanner, key string, v value) {
	switch key {
	case AttrCallSite:
		c.Name = v.text
	case AttrCallSiteInherited:
		c.Inherited = v.text == "true"
	case AttrCodeFunction:
		c.Function = v.text
	case AttrCodeFile:
		c.File = v.text
	case AttrCodeLine:
		c.Line = whole[int](s, key, v)
	case AttrCodeColumn:
		c.Column = whole[int](s, key, v)
	case AttrCommentApp:
		c.Application = v.text
	case AttrCommentEnv:
		c.Environment = v.text
	case AttrCommentController:
		c.Controller = v.text
	case AttrCommentAction:
		c.Action = v.text
	case AttrCommentRoute:
		c.Route = v.text
	case AttrCommentText:
		c.Text = v.text
	case AttrCommentStack:
		c.Stack = v.text
	case AttrCommentOther:
		c.Other = whole[int](s, key, v)
	default:
		if own, ok := strings.CutPrefix(key, AttrCommentPrefix); ok {
			c.Extra = append(c.Extra, KeyValue{own, v.text})
		}
	}
}

func (s *scanner) unsigned(key string, v value) uint64 {
	n, err := strconv.ParseUint(v.text, 10, 64)
	if err != nil {
		s.fail("%s: %q is no whole number that fits", key, v.text)
	}
	return n
}

// opcode takes a number, or a name of MongoDB's wire protocol.
func (s *scanner) opcode(key string, v value) int32 {
	if v.number {
		return whole[int32](s, key, v)
	}
	name := strings.TrimPrefix(strings.ToUpper(v.text), "OP_")
	for _, o := range mongoOpcodes {
		if strings.TrimPrefix(o.name, "OP_") == name {
			return o.op
		}
	}
	n, _ := strconv.ParseInt(v.text, 10, 32)
	return int32(n)
}

func parseClass(s string) QueryClass {
	for _, c := range [...]QueryClass{ClassPrimary, ClassMulti, ClassScatter} {
		if c.String() == s {
			return c
		}
	}
	return ClassNone
}
