package event

import "strings"

func (x *Exchange) setWeb(s *scanner, key string, v value) {
	switch {
	case strings.HasPrefix(key, "pitot.http2."):
		if x.HTTP2 == nil {
			x.HTTP2 = new(H2)
		}
		x.HTTP2.set(s, key, v)
	case strings.HasPrefix(key, "rpc."), strings.HasPrefix(key, "pitot.grpc."):
		if x.GRPC == nil {
			x.GRPC = &RPC{Status: -1}
		}
		x.GRPC.set(s, key, v)
	case strings.HasPrefix(key, "pitot.websocket."):
		if x.WebSocket == nil {
			x.WebSocket = new(WS)
		}
		x.WebSocket.set(s, key, v)
	}
}

func (h *H2) set(s *scanner, key string, v value) {
	switch key {
	case AttrHTTP2Stream:
		h.StreamID = whole[uint32](s, key, v)
	case AttrHTTP2Pushed:
		h.Pushed = v.text == "true"
	case AttrHTTP2Reset:
		h.Reset = v.text
	case AttrHTTP2ResetBy:
		h.ResetBy = v.text
	}
}

func (g *RPC) set(s *scanner, key string, v value) {
	switch key {
	case AttrRPCMethod:
		g.Method = v.text
	case AttrRPCStatus:
		g.Status = ParseGRPCStatus(v.text)
	case AttrGRPCMessage:
		g.Message = v.text
	case AttrGRPCTimeout:
		g.Timeout = whole[int64](s, key, v)
	case AttrGRPCEncoding:
		g.Encoding = v.text
	case AttrGRPCStreaming:
		g.Streaming = v.text
	case AttrGRPCWeb:
		g.Web = v.text
	case AttrGRPCTrailersOnly:
		g.TrailersOnly = v.text == "true"
	case AttrGRPCRequestJSON:
		g.RequestJSON = v.text
	case AttrGRPCResponseJSON:
		g.ResponseJSON = v.text
	default:
		g.setCount(s, key, v)
	}
}

func (g *RPC) setCount(s *scanner, key string, v value) {
	switch key {
	case AttrGRPCRequestMessages:
		g.RequestMessages = whole[int64](s, key, v)
	case AttrGRPCResponseMessages:
		g.ResponseMessages = whole[int64](s, key, v)
	case AttrGRPCRequestPayload:
		g.RequestPayload = whole[int64](s, key, v)
	case AttrGRPCResponsePayload:
		g.ResponsePayload = whole[int64](s, key, v)
	case AttrGRPCRequestCompressed:
		g.RequestCompressed = whole[int64](s, key, v)
	case AttrGRPCResponseCompressed:
		g.ResponseCompressed = whole[int64](s, key, v)
	default:
		if strings.HasPrefix(key, AttrRPCRequestMetadata) || strings.HasPrefix(key, AttrRPCResponseMetadata) {
			g.Metadata = append(g.Metadata, KeyValue{key, v.text})
		}
	}
}

func (w *WS) set(s *scanner, key string, v value) {
	switch key {
	case AttrWSClientMessages:
		w.ClientMessages = whole[int64](s, key, v)
	case AttrWSServerMessages:
		w.ServerMessages = whole[int64](s, key, v)
	case AttrWSClientFrames:
		w.ClientFrames = whole[int64](s, key, v)
	case AttrWSServerFrames:
		w.ServerFrames = whole[int64](s, key, v)
	case AttrWSClientPayload:
		w.ClientPayload = whole[int64](s, key, v)
	case AttrWSServerPayload:
		w.ServerPayload = whole[int64](s, key, v)
	case AttrWSPings:
		w.Pings = whole[int64](s, key, v)
	case AttrWSPingRTT:
		w.PingRTT = whole[int64](s, key, v)
	case AttrWSCloseCode:
		w.CloseCode = whole[uint16](s, key, v)
	case AttrWSCloseReason:
		w.CloseReason = v.text
	case AttrWSClosedBy:
		w.ClosedBy = v.text
	case AttrWSSubprotocol:
		w.Subprotocol = v.text
	case AttrWSExtensions:
		w.Extensions = v.text
	}
}
