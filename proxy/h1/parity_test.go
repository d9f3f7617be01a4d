package h1

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// The decoder, fed with what the client sent and got, tells the same exchanges
// as the proxy does, but for ids, times and what only a proxy knows.
func TestSameSpansAsTheDecoder(t *testing.T) {
	p := start(t, serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cart/7":
			hello(w, r)
		case "/chunks":
			w.Header().Set("Trailer", "Sum")
			for range 3 {
				io.WriteString(w, "abc")
				w.(http.Flusher).Flush()
			}
			w.Header().Set("Sum", "1")
		case "/error":
			http.Error(w, "no", 500)
		case "/missing":
			http.NotFound(w, r)
		case "/nothing":
			w.WriteHeader(204)
		default:
			echo(w, r)
		}
	}))
	long := string(bytes.Repeat([]byte("x"), 100_000))
	c := p.dial()
	var pieces []testkit.Piece
	for _, q := range []struct{ method, request string }{
		{"GET", "GET /cart/7?token=secret&x=1 HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: test/1\r\nX-Request-Id: r1\r\n\r\n"},
		{"GET", "GET /cart/7 HTTP/1.1\r\nHost: shop\r\nTraceparent: 00-" + traceID + "-" + spanID + "-01\r\nTracestate: a=1\r\n\r\n"},
		{"GET", "GET /chunks HTTP/1.1\r\nHost: shop\r\nTE: trailers\r\n\r\n"},
		{"GET", "GET /error HTTP/1.1\r\nHost: shop\r\n\r\n"},
		{"GET", "GET /missing HTTP/1.1\r\nHost: shop\r\nB3: " + traceID + "-" + spanID + "\r\n\r\n"},
		{"DELETE", "DELETE /nothing HTTP/1.1\r\nHost: shop\r\n\r\n"},
		{"HEAD", "HEAD /cart/7 HTTP/1.1\r\nHost: shop\r\n\r\n"},
		{"POST", "POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello"},
		{"POST", "POST /echo HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nSum: 2\r\n\r\n"},
		{"PUT", "PUT /echo HTTP/1.1\r\nHost: shop\r\nContent-Length: 100000\r\n\r\n" + long},
		{"PURGE", "PURGE /nothing HTTP/1.1\r\nHost: shop\r\n\r\n"},
		{"GET", "GET http://shop/cart/7 HTTP/1.1\r\nHost: shop\r\n\r\n"},
		{"GET", "GET /chunks HTTP/1.0\r\n\r\n"},
	} {
		var got bytes.Buffer
		tee := *c
		tee.r.Reset(io.TeeReader(c.TCPConn, &got))
		c.send(q.request)
		c.answer(q.method)
		pieces = append(pieces, testkit.C(q.request), testkit.Piece{Dir: event.ToClient, Bytes: got.Bytes()})
	}
	inline := p.spans.all(t, event.Server, len(pieces)/2)
	x := inline[0]
	told := testkit.Play(http1.New(decode.Conn{Client: x.Client, Server: x.Server, Stream: x.Stream, Limits: decode.DefaultLimits()}, http1.Options{}), 0, pieces...)
	if len(told.Exchanges) != len(inline) {
		t.Fatalf("the decoder tells %d exchanges, the proxy %d", len(told.Exchanges), len(inline))
	}
	for i := range inline {
		want, got := common(&told.Exchanges[i]), common(inline[i])
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("exchange %d: decoder -, proxy +\n%s", i, d)
		}
	}
}

// common is x as JSON without what may differ.
func common(x *event.Exchange) string {
	c := *x
	c.SpanID = event.SpanID{}
	if c.ParentID.IsZero() {
		c.TraceID = event.TraceID{}
	}
	c.Start, c.FirstByte, c.End = 0, 0, 0
	c.Service, c.Peer = "", "" // the tap's names, not the decoder's
	c.Listener, c.Route, c.Cluster, c.Endpoint = "", "", "", ""
	return string(c.AppendJSON(nil))
}
