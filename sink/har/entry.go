package har

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pitot-io/pitot/internal/event"
)

// The objects of HAR 1.2. Sizes are bytes, times milliseconds, -1 is unknown;
// names that begin with "_" are ours, as the format allows.
type (
	entry struct {
		Started    string   `json:"startedDateTime"`
		Time       float64  `json:"time"`
		Request    request  `json:"request"`
		Response   response `json:"response"`
		Cache      struct{} `json:"cache"`
		Timings    timings  `json:"timings"`
		ServerIP   string   `json:"serverIPAddress,omitempty"`
		Connection string   `json:"connection"`

		ResourceType string   `json:"_resourceType,omitempty"` // "websocket" for its handshake
		Session      *session `json:"_webSocket,omitempty"`
		Messages     []frame  `json:"_webSocketMessages,omitempty"` // as Chromium's developer tools write and read them
		TraceID      string   `json:"_traceId,omitempty"`
		SpanID       string   `json:"_spanId,omitempty"`
		GRPCStatus   string   `json:"_grpcStatus,omitempty"`
		DecodeFlags  []string `json:"_decodeFlags,omitempty"`
	}
	request struct {
		Method      string    `json:"method"`
		URL         string    `json:"url"`
		HTTPVersion string    `json:"httpVersion"`
		Cookies     []pair    `json:"cookies"` // always empty: they are secrets
		Headers     []pair    `json:"headers"`
		Query       []pair    `json:"queryString"`
		PostData    *postData `json:"postData,omitempty"`
		HeadersSize int64     `json:"headersSize"`
		BodySize    int64     `json:"bodySize"`
	}
	response struct {
		Status      int     `json:"status"` // 0: unanswered
		StatusText  string  `json:"statusText"`
		HTTPVersion string  `json:"httpVersion"`
		Cookies     []pair  `json:"cookies"`
		Headers     []pair  `json:"headers"`
		Content     content `json:"content"`
		RedirectURL string  `json:"redirectURL"`
		HeadersSize int64   `json:"headersSize"`
		BodySize    int64   `json:"bodySize"`
		Error       string  `json:"_error,omitempty"`
	}
	pair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	postData struct {
		MimeType string `json:"mimeType"`
		Text     string `json:"text"`
		Encoding string `json:"_encoding,omitempty"` // "base64": the format has none for requests
		Comment  string `json:"comment,omitempty"`
	}
	content struct {
		Size     int64  `json:"size"`
		MimeType string `json:"mimeType"`
		Text     string `json:"text,omitempty"`
		Encoding string `json:"encoding,omitempty"`
		Comment  string `json:"comment,omitempty"`
	}
	timings struct {
		Blocked float64 `json:"blocked"`
		DNS     float64 `json:"dns"`
		Connect float64 `json:"connect"`
		SSL     float64 `json:"ssl"`
		Send    float64 `json:"send"`
		Wait    float64 `json:"wait"`
		Receive float64 `json:"receive"`
	}
)

const cutComment = "the body went on, or could not be decoded to its end"

func entryOf(x *event.Exchange) *entry {
	d := x.HTTP.Detail
	if d == nil {
		d = new(event.HTTPDetail)
	}
	e := &entry{
		Started:    time.Unix(0, x.Start).UTC().Format("2006-01-02T15:04:05.000000Z"),
		Request:    requestOf(x, d),
		Response:   responseOf(x, d),
		Timings:    timingsOf(x),
		Connection: strconv.FormatInt(x.Stream, 10),
	}
	e.Time = e.Timings.Send + e.Timings.Wait + e.Timings.Receive
	if x.Server.IsValid() {
		e.ServerIP = x.Server.Addr().String()
	}
	if x.HTTP.Upgrade == "websocket" || x.WebSocket != nil {
		e.ResourceType = "websocket"
	}
	if !x.TraceID.IsZero() {
		e.TraceID, e.SpanID = hexOf(x.TraceID[:]), hexOf(x.SpanID[:])
	}
	if x.GRPC != nil {
		e.GRPCStatus = event.GRPCStatus(x.GRPC.Status)
	}
	x.Decode.Each(func(name string) { e.DecodeFlags = append(e.DecodeFlags, name) })
	return e
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

func requestOf(x *event.Exchange, d *event.HTTPDetail) request {
	h := x.HTTP
	r := request{
		Method: h.Method, URL: urlOf(x), HTTPVersion: version(h), Cookies: []pair{}, Headers: pairs(d.RequestHeaders), Query: queryOf(h.Query),
		HeadersSize: headersSize(x, d.RequestHeaders, x.RequestBytes, h.RequestBody), BodySize: h.RequestBody,
	}
	if d.RequestBody != "" {
		p := &postData{MimeType: field(d.RequestHeaders, "content-type", "application/octet-stream")}
		p.Text, p.Encoding = textOf(d.RequestBody)
		if d.RequestCut {
			p.Comment = cutComment
		}
		r.PostData = p
	}
	return r
}

func responseOf(x *event.Exchange, d *event.HTTPDetail) response {
	h := x.HTTP
	r := response{
		Status: h.StatusCode, StatusText: http.StatusText(h.StatusCode), HTTPVersion: version(h), Cookies: []pair{}, Headers: pairs(d.ResponseHeaders),
		Content:     content{Size: h.ResponseBody, MimeType: field(d.ResponseHeaders, "content-type", "x-unknown")},
		RedirectURL: field(d.ResponseHeaders, "location", ""),
		HeadersSize: headersSize(x, d.ResponseHeaders, x.ResponseBytes, h.ResponseBody), BodySize: h.ResponseBody,
	}
	if x.FirstByte == 0 {
		r.HeadersSize, r.BodySize, r.Error = -1, -1, x.ErrorType
	}
	if d.ResponseBody != "" {
		r.Content.Text, r.Content.Encoding = textOf(d.ResponseBody)
		if r.Content.Size = int64(len(d.ResponseBody)); d.ResponseCut {
			r.Content.Comment = cutComment
			r.Content.Size = max(r.Content.Size, h.ResponseBody)
		}
	}
	return r
}

// timingsOf splits the time at the request's last byte and at the answer's
// first. Where the former was not seen, sending counts as waiting.
func timingsOf(x *event.Exchange) timings {
	t := timings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1}
	wait := x.TTFB()
	if x.FirstByte == 0 {
		wait = x.Duration()
	} else {
		t.Receive = ms(max(0, x.Duration()-wait))
	}
	if d := x.HTTP.Detail; d != nil && d.RequestEnd > x.Start {
		sent := min(d.RequestEnd-x.Start, wait) // an answer may come while the request is being sent
		t.Send, wait = ms(sent), wait-sent
	}
	t.Wait = ms(wait)
	return t
}

func ms(ns int64) float64 { return float64(ns/1000) / 1000 }

func version(h *event.HTTP) string { return "HTTP/" + h.Version }

func pairs(list []event.KeyValue) []pair {
	out := make([]pair, len(list))
	for i, kv := range list {
		out[i] = pair{kv.Key, kv.Value}
	}
	return out
}

// field is the value of the first field of that name, which is lower-case.
func field(list []event.KeyValue, name, none string) string {
	for _, kv := range list {
		if strings.EqualFold(kv.Key, name) {
			return kv.Value
		}
	}
	return none
}

// headersSize is what is left of a message when its body is taken off, where
// there is no more to it: no chunks, no frames, no interim answers.
func headersSize(x *event.Exchange, fields []event.KeyValue, all, body int64) int64 {
	if x.HTTP2 != nil || x.HTTP.Interim > 0 || len(fields) == 0 || field(fields, "transfer-encoding", "") != "" || all < body {
		return -1
	}
	return all - body
}

// queryOf splits a query as it stands: nothing is decoded that might not be
// meant so.
func queryOf(q string) []pair {
	out := []pair{}
	for part := range strings.SplitSeq(q, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		out = append(out, pair{name, value})
	}
	return out
}

// textOf is a body as text, or what is not text in base64.
func textOf(body string) (text, encoding string) {
	if utf8.ValidString(body) && strings.IndexByte(body, 0) < 0 {
		return body, ""
	}
	return base64.StdEncoding.EncodeToString([]byte(body)), "base64"
}

// urlOf puts together the URL that was asked for; where no host was named, the
// server's address stands for it.
func urlOf(x *event.Exchange) string {
	h := x.HTTP
	var b strings.Builder
	b.WriteString(h.Scheme + "://")
	b.WriteString(authority(x))
	if !strings.HasPrefix(h.Path, "/") {
		b.WriteByte('/')
	}
	escape(&b, h.Path)
	if h.Query != "" {
		b.WriteByte('?')
		escape(&b, h.Query)
	}
	return b.String()
}

func authority(x *event.Exchange) string {
	h := x.HTTP
	host, port := h.Host, h.Port
	if host == "" && x.Server.IsValid() {
		host, port = x.Server.Addr().String(), x.Server.Port()
	}
	if _, err := netip.ParseAddr(host); err == nil && strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	var b strings.Builder
	escape(&b, host)
	if port != 0 {
		b.WriteString(":" + strconv.Itoa(int(port)))
	}
	return b.String()
}

// escape adds s with the bytes that no URL has percent-encoded.
func escape(b *strings.Builder, s string) {
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' && c != '`' && c != '{' && c != '|' && c != '}' {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(hexOf([]byte{c})))
		}
	}
}
