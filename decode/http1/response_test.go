package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

func TestStrictFramesAnswers(t *testing.T) {
	for _, c := range []struct {
		in, method string
		status     int
		f          Framing
		length     int64
		close      bool
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", 200, Length, 5, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", 200, Length, 0, false},
		{"HTTP/1.1 200\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", "GET", 200, Length, 5, true},
		{"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", "GET", 200, Chunked, 0, false},
		{"HTTP/1.1 200 OK\r\n\r\n", "GET", 200, UntilClose, 0, false},
		{"HTTP/1.0 200 OK\r\n\r\n", "GET", 200, UntilClose, 0, true},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n", "GET", 200, Length, 1, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", 200, NoBody, 0, false},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", 200, NoBody, 0, false},
		{"HTTP/1.1 200 OK\r\n\r\n", "CONNECT", 200, NoBody, 0, false},
		{"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\n", "CONNECT", 407, Length, 2, false},
		{"HTTP/1.1 100 Continue\r\n\r\n", "POST", 100, NoBody, 0, false},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "GET", 204, NoBody, 0, false},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 304, NoBody, 0, false},
		{"HTTP/1.1 999 Odd\r\nContent-Length: 5\r\n\r\n", "GET", 999, Length, 5, false},
	} {
		for _, m := range []Mode{Lenient, Strict} {
			h := new(Head)
			n, err := h.ParseResponse([]byte(c.in), m, decode.DefaultLimits(), []byte(c.method))
			if n != len(c.in) || err != nil || h.Status != c.status || h.Framing != c.f || h.Length != c.length || h.Close != c.close {
				t.Errorf("mode %d, %s %q: n %d, %v, status %d, framing %d, length %d, close %v", m, c.method, c.in, n, err, h.Status, h.Framing, h.Length, h.Close)
			}
		}
	}
}

func TestStrictRefusesAnswers(t *testing.T) {
	for in, detail := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n": "http1.content_length_and_chunked_not_allowed",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n":          "http1.duplicate_content_length",
		"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n":                            "http1.invalid_content_length",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n":                         "http1.invalid_transfer_encoding",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":                      "http1.transfer_encoding_not_allowed_in_http10",
		"HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n":                      "http1.transfer_encoding_not_allowed",
		"HTTP/1.1 101 OK\r\nTransfer-Encoding: chunked\r\n\r\n":                      "http1.transfer_encoding_not_allowed",
		"HTTP/2.0 200 OK\r\n\r\n":                                                    "http1.codec_error.status_line",
		"http/1.1 200 OK\r\n\r\n":                                                    "http1.codec_error.status_line",
		"HTTP/1.1 20 OK\r\n\r\n":                                                     "http1.codec_error.status_line",
		"HTTP/1.1 2000 OK\r\n\r\n":                                                   "http1.codec_error.status_line",
		"HTTP/1.1 099 OK\r\n\r\n":                                                    "http1.codec_error.status_line",
		"HTTP/1.1  200 OK\r\n\r\n":                                                   "http1.codec_error.status_line",
		"HTTP/1.1 200 OK\nA: b\r\n\r\n":                                              "http1.codec_error.bare_lf",
		"HTTP/1.1 200 O\x00K\r\n\r\n":                                                "http1.codec_error.invalid_character",
		"\r\nHTTP/1.1 200 OK\r\n\r\n":                                                "http1.codec_error.empty_line",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n":                                      "http1.codec_error.obs_fold",
		"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", 70<<10) + "\r\n\r\n":          "http1.headers_too_large",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", 257) + "\r\n":             "http1.too_many_headers",
	} {
		n, err := new(Head).ParseResponse([]byte(in), Strict, decode.DefaultLimits(), []byte("GET"))
		var e *Error
		if n != 0 || !errors.As(err, &e) || e.Status != 502 || e.Detail != detail {
			t.Errorf("%.60q: n %d, %v, want 502 %s", in, n, err, detail)
		}
	}
}

func TestFillResponse(t *testing.T) {
	for _, c := range []struct {
		in, method, errorType, upgrade string
		status                         event.Status
		protocol                       event.Protocol
	}{
		{"HTTP/1.1 200 OK\r\n\r\n", "GET", "", "", event.Unset, event.HTTP11},
		{"HTTP/1.1 404 No\r\n\r\n", "GET", "", "", event.Unset, event.HTTP11},
		{"HTTP/1.1 503 No\r\n\r\n", "GET", "503", "", event.Error, event.HTTP11},
		{"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n", "GET", "", "websocket", event.Unset, event.HTTP11},
		{"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "GET", "", "h2c", event.Unset, event.HTTP11},
		{"HTTP/1.1 200 OK\r\n\r\n", "CONNECT", "", "connect", event.Unset, event.HTTP11},
	} {
		h := new(Head)
		if _, err := h.ParseResponse([]byte(c.in), Strict, decode.DefaultLimits(), []byte(c.method)); err != nil {
			t.Fatal(err)
		}
		x, p := event.Exchange{Protocol: event.HTTP11}, event.HTTP{}
		FillResponse(&x, &p, h)
		if x.ErrorType != c.errorType || p.Upgrade != c.upgrade || x.Status != c.status || x.Protocol != c.protocol {
			t.Errorf("%q: error %q, upgrade %q, status %v, protocol %v", c.in, x.ErrorType, p.Upgrade, x.Status, x.Protocol)
		}
	}
	var x event.Exchange
	var p event.HTTP
	h := new(Head)
	if _, err := h.ParseResponse([]byte("HTTP/1.1 103 Early\r\n\r\n"), Strict, decode.DefaultLimits(), nil); err != nil {
		t.Fatal(err)
	}
	FillResponse(&x, &p, h)
	if p.Interim != 1 || p.StatusCode != 0 {
		t.Errorf("interim %d, status %d", p.Interim, p.StatusCode)
	}
}
