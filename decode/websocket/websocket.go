// Package websocket follows a WebSocket session (RFC 6455): what comes after
// an HTTP/1.1 upgrade or an extended CONNECT of HTTP/2 (RFC 8441).
//
// A session is one exchange, told when it is over. What its messages say is
// kept only where that was asked for; messages that permessage-deflate has
// compressed (RFC 7692) are counted as they were transferred.
package websocket

import (
	"strings"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Name is the protocol's name for decode.Handover.
const Name = "websocket"

// Protocol is the decoder's entry in the list of protocols. No first bytes
// give a session away, so that it is only ever handed over.
func Protocol() decode.Protocol {
	return decode.Protocol{
		Name:   Name,
		Detect: func(event.Dir, []byte) decode.Verdict { return decode.No },
		New:    New,
		Take:   Take,
	}
}

// New makes the decoder of a session whose handshake nobody saw.
func New(c decode.Conn) decode.Decoder { return Take(c, decode.Handover{}) }

// Take makes the decoder of the session that a handshake began.
func Take(c decode.Conn, h decode.Handover) decode.Decoder {
	t := &conn{c: c}
	t.x = event.Exchange{
		Kind: event.Server, Protocol: event.WebSocket, Name: Name, Client: c.Client, Server: c.Server, Stream: c.Stream, WebSocket: &t.ws,
	}
	if c.MidStream {
		t.x.Decode |= event.MidStream
	}
	t.ws.Subprotocol = strings.Clone(bound(h.Subprotocol, c.Limits.Text))
	t.ws.Extensions = extensions(bound(h.Extensions, c.Limits.Text))
	t.rsv = reserved(t.ws.Extensions)
	if h.Request != nil {
		t.handshake(h.Request)
	}
	for d := range t.half {
		t.half[d].need = shortest
		if c.Keep.Body > 0 {
			t.half[d].text = &text{limit: c.Keep.Body, blind: c.MidStream}
		}
	}
	return t
}

// handshake takes over what the session's handshake says of it.
func (t *conn) handshake(r *event.Exchange) {
	x := &t.x
	x.Client, x.Server, x.Stream = r.Client, r.Server, r.Stream
	x.Kind, x.TraceID, x.ParentID, x.TraceState = r.Kind, r.TraceID, r.SpanID, strings.Clone(r.TraceState)
	x.Decode |= r.Decode & (event.MidStream | event.NoRequest | event.Redacted | event.HPACKUnsure)
	x.Start, x.End = r.End, r.End
	if r.HTTP != nil {
		t.http = *r.HTTP
		h := &t.http
		for _, s := range []*string{&h.Method, &h.Scheme, &h.Host, &h.Path, &h.Query, &h.Version, &h.UserAgent, &h.RequestID, &h.Template} {
			*s = strings.Clone(*s)
		}
		h.Upgrade, h.Interim, h.RequestBody, h.ResponseBody, h.Detail = "", 0, 0, 0, nil
		x.HTTP = h
		if h.Template != "" {
			x.Name = Name + " " + h.Template
		}
	}
	if r.HTTP2 != nil {
		t.h2 = event.H2{StreamID: r.HTTP2.StreamID}
		x.HTTP2 = &t.h2
	}
}

func bound(s string, most int) string { return s[:min(len(s), most)] }

// extensions are the names in a Sec-WebSocket-Extensions (RFC 6455, 9.1),
// joined by commas, without their parameters.
func extensions(field string) string {
	var names []string
	for e := range strings.SplitSeq(field, ",") {
		name, _, _ := strings.Cut(e, ";")
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// reserved are the bits of a frame's first byte that the extensions have given
// a meaning. Of one that is not known any may be meant.
func reserved(names string) byte {
	switch names {
	case "":
		return 0
	case "permessage-deflate", "x-webkit-deflate-frame":
		return compressed
	}
	return bitsReserved
}
