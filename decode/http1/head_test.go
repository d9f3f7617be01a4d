package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

const get = "GET /cart/7?x=1&token=abc HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nX-Request-Id: 0ab38b6c-8e4f-4a7e-9d5e-5f3a3d0c7d11\r\n" +
	"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n"

func parseRequest(s string, m Mode) (*Head, int, error) {
	h := new(Head)
	n, err := h.ParseRequest([]byte(s), m, decode.DefaultLimits())
	return h, n, err
}

func TestParseRequestReadsWhatASpanNeeds(t *testing.T) {
	for _, m := range []Mode{Lenient, Strict} {
		h, n, err := parseRequest(get, m)
		if err != nil || n != len(get) {
			t.Fatalf("mode %d: n %d of %d, %v", m, n, len(get), err)
		}
		var x event.Exchange
		var p event.HTTP
		FillRequest(&x, &p, h)
		for _, c := range [][2]string{
			{p.Method, "GET"}, {p.Path, "/cart/7"}, {p.Query, "x=1&token=REDACTED"}, {p.Host, "shop.example"},
			{x.Name, "GET /cart/{id}"}, {p.Template, "/cart/{id}"}, {p.UserAgent, "curl/8.5.0"}, {p.Version, "1.1"},
			{p.RequestID, "0ab38b6c-8e4f-4a7e-9d5e-5f3a3d0c7d11"},
		} {
			if c[0] != c[1] {
				t.Errorf("got %q, want %q", c[0], c[1])
			}
		}
		if p.Port != 8080 || x.TraceID.IsZero() || x.ParentID.IsZero() || x.Decode&event.Redacted == 0 {
			t.Errorf("port %d trace %x parent %x flags %b", p.Port, x.TraceID, x.ParentID, x.Decode)
		}
	}
}

// A head in pieces must give what the whole gives, and nothing before its end.
func TestParseRequestResumesAtEveryByte(t *testing.T) {
	for _, m := range []Mode{Lenient, Strict} {
		h := new(Head)
		for i := range len(get) {
			n, err := h.ParseRequest([]byte(get[:i]), m, decode.DefaultLimits())
			if n != 0 || err != nil {
				t.Fatalf("after %d bytes: n %d, %v", i, n, err)
			}
		}
		if n, err := h.ParseRequest([]byte(get), m, decode.DefaultLimits()); n != len(get) || err != nil || len(h.Fields) != 8 {
			t.Fatalf("n %d, %v, %d fields", n, err, len(h.Fields))
		}
	}
}

func TestStrictRefuses(t *testing.T) {
	const host = "Host: a\r\n"
	for _, c := range []struct {
		in     string
		status int
		detail string
	}{
		{"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "http1.content_length_and_chunked_not_allowed"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "http1.duplicate_content_length"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, "http1.duplicate_content_length"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length: 5, 5\r\n\r\n", 400, "http1.invalid_content_length"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length: +5\r\n\r\n", 400, "http1.invalid_content_length"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length: 0x5\r\n\r\n", 400, "http1.invalid_content_length"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n", 400, "http1.invalid_content_length"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length: 9999999999999999999\r\n\r\n", 400, "http1.invalid_content_length"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length : 5\r\n\r\n", 400, "http1.codec_error.space_before_colon"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n", 501, "http1.invalid_transfer_encoding"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "http1.invalid_transfer_encoding"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", 501, "http1.invalid_transfer_encoding"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\n\r\n", 400, "http1.codec_error.invalid_character"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, gzip\r\n\r\n", 400, "http1.chunked_not_final"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400, "http1.chunked_not_final"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "http1.duplicate_transfer_encoding"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n chunked\r\n\r\n", 400, "http1.codec_error.obs_fold"},
		{"POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 400, "http1.transfer_encoding_not_allowed_in_http10"},
		{"CONNECT a:443 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 501, "http1.invalid_transfer_encoding"},
		{"CONNECT a:443 HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\n", 400, "http1.connect_with_body"},
		{"CONNECT a HTTP/1.1\r\n" + host + "\r\n", 400, "http1.invalid_target"},
		{"GET / HTTP/1.1\r\n\r\n", 400, "missing_host_header"},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "http1.invalid_host_header"},
		{"GET / HTTP/1.1\r\n" + host + "Host: b\r\n\r\n", 400, "http1.duplicate_host_header"},
		{"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "http1.invalid_host_header"},
		{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "http1.invalid_host_header"},
		{"GET / HTTP/1.1\r\nHost: x@a\r\n\r\n", 400, "http1.invalid_host_header"},
		{"GET http://b/ HTTP/1.1\r\n" + host + "\r\n", 400, "http1.host_and_target_differ"},
		{"GET http://x@a/ HTTP/1.1\r\n" + host + "\r\n", 400, "http1.invalid_authority"},
		{"GET ftp://a/ HTTP/1.1\r\n" + host + "\r\n", 400, "http1.invalid_scheme"},
		{"GET a HTTP/1.1\r\n" + host + "\r\n", 400, "http1.invalid_target"},
		{"GET * HTTP/1.1\r\n" + host + "\r\n", 400, "http1.invalid_target"},
		{"head / HTTP/1.1\r\n" + host + "\r\n", 400, "http1.ambiguous_method"},
		{"Connect a:443 HTTP/1.1\r\n" + host + "\r\n", 400, "http1.ambiguous_method"},
		{"GET /#f HTTP/1.1\r\n" + host + "\r\n", 400, "http1.path_with_fragment"},
		{"GET / HTTP/1.1\n" + host + "\r\n", 400, "http1.codec_error.bare_lf"},
		{"GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "http1.codec_error.bare_lf"},
		{"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400, "http1.codec_error.bare_cr"},
		{"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n", 400, "http1.codec_error.invalid_character"},
		{"GET / HTTP/1.1\r\n" + host + "a\x00b: c\r\n\r\n", 400, "http1.codec_error.invalid_name"},
		{"GET / HTTP/1.1\r\n" + host + ": c\r\n\r\n", 400, "http1.codec_error.empty_name"},
		{"GET / HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400, "http1.codec_error.space_before_colon"},
		{"GET / HTTP/1.1\r\n" + host + "nocolon\r\n\r\n", 400, "http1.codec_error.bare_cr"},
		{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "http1.codec_error.obs_fold"},
		{"GET / HTTP/1.1\r\n" + host + "Connection: host\r\n\r\n", 400, "http1.connection_header_names_protected_field"},
		{"GET / HTTP/1.1\r\n" + host + "Connection: x-forwarded-for\r\n\r\n", 400, "http1.connection_header_names_protected_field"},
		{"GET / HTTP/1.1\r\n" + host + "Connection: a,b,c,d,e,f,g,h,i,j,k\r\n\r\n", 400, "http1.connection_header_too_many_names"},
		{"G@T / HTTP/1.1\r\n" + host + "\r\n", 400, "http1.codec_error.request_line"},
		{"GET  / HTTP/1.1\r\n" + host + "\r\n", 400, "http1.codec_error.request_line"},
		{"GET / x HTTP/1.1\r\n" + host + "\r\n", 400, "http1.codec_error.request_line"},
		{"GET  HTTP/1.0\r\n\r\n", 400, "http1.codec_error.request_line"},
		{"GET HTTP/1.0\r\n\r\n", 400, "http1.codec_error.request_line"},
		{"GET /\r\n\r\n", 400, "http1.codec_error.request_line"},
		{"GET / HTTP/2.0\r\n" + host + "\r\n", 505, "http1.version_not_supported"},
		{"GET / HTTP/1.2\r\n" + host + "\r\n", 505, "http1.version_not_supported"},
		{"GET / http/1.1\r\n" + host + "\r\n", 400, "http1.codec_error.request_line"},
		{"GET /" + strings.Repeat("a", 70<<10) + " HTTP/1.1\r\n" + host + "\r\n", 414, "http1.uri_too_long"},
		{"GET / HTTP/1.1\r\n" + host + "a: " + strings.Repeat("a", 70<<10) + "\r\n\r\n", 431, "http1.headers_too_large"},
		{"GET / HTTP/1.1\r\n" + host + strings.Repeat("a: b\r\n", 256) + "\r\n", 431, "http1.too_many_headers"},
		{strings.Repeat("\r\n", 9) + "GET / HTTP/1.1\r\n" + host + "\r\n", 400, "http1.codec_error.empty_line"},
	} {
		_, n, err := parseRequest(c.in, Strict)
		var e *Error
		if !errors.As(err, &e) || e.Status != c.status || e.Detail != c.detail || n != 0 {
			t.Errorf("%.90q: n %d, got %v, want %d %s", c.in, n, err, c.status, c.detail)
		}
	}
}

func TestStrictTakes(t *testing.T) {
	for in, f := range map[string]Framing{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                                     NoBody,
		"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n":                                                 NoBody,
		"GET / HTTP/1.0\r\n\r\n":                                                                NoBody,
		"GET / HTTP/1.1\r\nHost: [::1]:80\r\nX-Empty:\r\nX-Tab:\ta\tb\t\r\n\r\n":                NoBody,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n":                              Length,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n":                               NoBody,
		"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\n\r\n":                      Chunked,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent_Length: 4\r\n\r\n": NoBody,
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n":                                                 NoBody,
		"GET http://a/x HTTP/1.1\r\nHost: A\r\n\r\n":                                            NoBody,
		"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n":                                         NoBody,
		"PROPFIND /dav HTTP/1.1\r\nHost: a_b\r\nConnection: TE, close\r\nTE: gzip\r\n\r\n":      NoBody,
	} {
		h, n, err := parseRequest(in, Strict)
		if err != nil || n != len(in) || h.Framing != f {
			t.Errorf("%q: n %d of %d, framing %d, %v", in, n, len(in), h.Framing, err)
		}
	}
}

func TestHopByHopFieldsAreMarked(t *testing.T) {
	h, _, err := parseRequest("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-a, Upgrade\r\nX-A: 1\r\nX-B: 2\r\nUpgrade: websocket\r\nTE: trailers\r\nKeep-Alive: 5\r\n\r\n", Strict)
	if err != nil {
		t.Fatal(err)
	}
	var hop []string
	for _, f := range h.Fields {
		if f.Hop {
			hop = append(hop, string(f.Name))
		}
	}
	if got := strings.Join(hop, " "); got != "Connection X-A Upgrade Keep-Alive" {
		t.Errorf("hop-by-hop: %s", got)
	}
	if string(h.Upgrade) != "websocket" {
		t.Errorf("upgrade %q", h.Upgrade)
	}
}

func BenchmarkParseRequest(b *testing.B) {
	in, lim := []byte(get), decode.DefaultLimits()
	h := new(Head)
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if n, err := h.ParseRequest(in, Strict, lim); n != len(in) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkFillRequest(b *testing.B) {
	h, _, _ := parseRequest(get, Strict)
	var x event.Exchange
	var p event.HTTP
	b.ReportAllocs()
	for b.Loop() {
		FillRequest(&x, &p, h)
	}
}
