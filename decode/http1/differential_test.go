package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
)

// heads are pieces from which requests are put together, good and bad.
var heads = struct{ lines, fields []string }{
	lines: []string{"GET / HTTP/1.1", "POST /p?q=1 HTTP/1.1", "PUT /p HTTP/1.0", "HEAD http://a/x HTTP/1.1", "CONNECT a:443 HTTP/1.1",
		"OPTIONS * HTTP/1.1", "M-SEARCH /x HTTP/1.1", "GET /x HTTP/1.2", "GET /x HTTP/2.0", "GET  /x HTTP/1.1", "GET /x", "get /x HTTP/1.1", "G{T /x HTTP/1.1", "GET /%zz HTTP/1.1"},
	fields: []string{"", "Host: a", "Host: b", "Host:", "host: a:80", "Host: [::1]:80", "Content-Length: 3", "Content-Length: 03", "Content-Length: 4", "Content-Length: -1",
		"Content-Length: 3, 3", "Content-Length:  3 ", "Transfer-Encoding: chunked", "Transfer-Encoding: Chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity",
		"Transfer-Encoding : chunked", " Folded: x", "X: a\x00b", "X: a\tb", "X: \xff", "X Y: z", "X_Y: z", "Connection: close", "Connection: keep-alive, x-y", "Trailer: X", "NoColon", "Expect: 100-continue"},
}

// TestStrictAgreesWithNetHTTP builds requests of a line and three fields. What
// we take, net/http must take too and frame alike. The other way round we are
// stricter; the list below says where, and nothing else may differ.
func TestStrictAgreesWithNetHTTP(t *testing.T) {
	stricter := map[string]bool{}
	taken := 0
	for _, line := range heads.lines {
		for _, a := range heads.fields {
			for _, b := range heads.fields {
				for _, c := range []string{"Host: a", "Content-Length: 3", "Transfer-Encoding: chunked"} {
					in := line + "\r\n"
					for _, f := range []string{a, b, c} {
						if f != "" {
							in += f + "\r\n"
						}
					}
					taken += compare(t, in+"\r\n3\r\nabc\r\n0\r\n\r\n", stricter)
				}
			}
		}
	}
	if taken < 500 {
		t.Errorf("only %d requests were taken by both: the test says little", taken)
	}
	for detail := range stricter {
		if !wantStricter[detail] {
			t.Errorf("refused by us alone: %s", detail)
		}
	}
	for detail := range wantStricter {
		if !stricter[detail] {
			t.Errorf("no longer stricter: %s", detail)
		}
	}
}

// wantStricter are our reasons to refuse what net/http takes.
var wantStricter = map[string]bool{
	"http1.content_length_and_chunked_not_allowed":  true, // it drops Content-Length
	"http1.transfer_encoding_not_allowed_in_http10": true, // it ignores the field
	"http1.duplicate_content_length":                true, // it takes equal ones
	"http1.invalid_host_header":                     true, // it takes an empty one
	"http1.host_and_target_differ":                  true, // the target wins
	"http1.invalid_transfer_encoding":               true, // in CONNECT
	"http1.connect_with_body":                       true,
	"http1.version_not_supported":                   true, // ReadRequest leaves that to the server
	"missing_host_header":                           true, // likewise
	"http1.codec_error.obs_fold":                    true, // it unfolds
	"http1.codec_error.space_before_colon":          true, // it takes names with a space inside
}

// compare is 1 when both take the request.
func compare(t *testing.T, in string, stricter map[string]bool) int {
	t.Helper()
	h := new(Head)
	n, err := h.ParseRequest([]byte(in), Strict, decode.DefaultLimits())
	r, theirs := http.ReadRequest(bufio.NewReader(strings.NewReader(in)))
	switch {
	case err != nil && theirs != nil:
		return 0
	case err != nil:
		stricter[err.(*Error).Detail] = true
		return 0
	case theirs != nil:
		if !strings.Contains(theirs.Error(), "invalid URL escape") { // we do not unescape
			t.Errorf("%q: we take it, net/http says %v", in, theirs)
		}
		return 0
	}
	body, _ := io.ReadAll(r.Body)
	var b Body
	b.Reset(h.Framing, h.Length, Strict, decode.DefaultLimits())
	_, ours, _ := b.Data([]byte(in[n:]))
	if !bytes.Equal(body, ours) && h.Form != Authority {
		t.Errorf("%q: body %q, net/http %q", in, ours, body)
	}
	if string(h.Method) != r.Method || string(h.Host) != r.Host || h.Minor != r.ProtoMinor || string(h.Target) != r.RequestURI || h.Close && !r.Close && h.Minor == 1 {
		t.Errorf("%q: %s %s %s minor %d close %v, net/http %s %s %s %d %v", in, h.Method, h.Host, h.Target, h.Minor, h.Close, r.Method, r.Host, r.RequestURI, r.ProtoMinor, r.Close)
	}
	for _, f := range h.Fields {
		if vs := r.Header[http.CanonicalHeaderKey(string(f.Name))]; len(vs) > 0 && !contains(vs, string(f.Value)) {
			t.Errorf("%q: field %s is %q, net/http %q", in, f.Name, f.Value, vs)
		}
	}
	return 1
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
