package desync

import (
	"strings"
	"testing"
)

// Lines and fields have one form.
func TestHeadsOfRequests(t *testing.T) {
	const (
		codec = "http1.codec_error."
		line  = codec + "request_line"
	)
	testRequests(t, []request{
		refused("lines that end in LF", "GET /g HTTP/1.1\nHost: x\n\n", 400, codec+"bare_lf"),
		refused("request line that ends in LF", "GET /g HTTP/1.1\nHost: x\r\n\r\n", 400, codec+"bare_lf"),
		refused("field that ends in LF", get+"A: b\nC: d\r\n\r\n", 400, codec+"bare_lf"),
		refused("length behind LF", post+"A: b\nContent-Length: 5\r\n\r\nhello", 400, codec+"bare_lf"),
		refused("length behind CR", post+"A: b\rContent-Length: 5\r\n\r\nhello", 400, codec+"bare_cr"),
		refused("coding behind CR", post+length+"A: b\rTransfer-Encoding: chunked\r\n\r\n"+empty, 400, codec+"bare_cr"),
		refused("CR CR LF", get+"A: b\r\r\n\r\n", 400, codec+"bare_cr"),
		refused("head that ends in LF", get+"\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n", 400, codec+"bare_lf"),
		refused("NUL in a value", get+"A: b\x00c\r\n\r\n", 400, codec+"invalid_character"),
		refused("NUL in a name", get+"A\x00: b\r\n\r\n", 400, codec+"invalid_name"),
		refused("NUL in the target", "GET /g\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, codec+"invalid_character"),
		refused("control character in a value", get+"A: b\x01c\r\n\r\n", 400, codec+"invalid_character"),
		refused("DEL in a value", get+"A: b\x7fc\r\n\r\n", 400, codec+"invalid_character"),

		refused("folded field", get+"A: b\r\n c\r\n\r\n", 400, codec+"obs_fold"),
		refused("folded length", post+"Content-Length:\r\n 5\r\n\r\nhello", 400, codec+"obs_fold"),
		refused("folded coding", post+"Transfer-Encoding:\r\n\tchunked\r\n\r\n"+empty, 400, codec+"obs_fold"),
		refused("space before the first field", "POST /p HTTP/1.1\r\n Host: x\r\nHost: y\r\n\r\n", 400, codec+"obs_fold"),
		refused("space before the colon", get+"A : b\r\n\r\n", 400, codec+"space_before_colon"),
		refused("space before the colon of length", post+"Content-Length : 5\r\n\r\nhello", 400, codec+"space_before_colon"),
		refused("tab before the colon of coding", post+"Transfer-Encoding\t: chunked\r\n\r\n"+empty, 400, codec+"space_before_colon"),
		refused("no colon", get+"A b\r\n\r\n", 400, codec+"space_before_colon"),
		refused("no name", get+": b\r\n\r\n", 400, codec+"empty_name"),
		refused("name in brackets", get+"A[0]: b\r\n\r\n", 400, codec+"invalid_name"),
		refused("name beyond ASCII", get+"\u00c4: b\r\n\r\n", 400, codec+"invalid_name"),
		refused("name with a vertical tab", post+"Transfer-Encoding\v: chunked\r\n\r\n"+empty, 400, codec+"invalid_name"),
		forwarded("value beyond ASCII", get+"A: \u00e4\xff\r\n\r\n", get+"A: \u00e4\xff\r\n\r\n"),
		forwarded("blanks around a value", post+"Content-Length: \t 5 \t\r\n\r\nhello", post+length+end+"hello"),
		forwarded("empty value", get+"A:\r\n\r\n", get+"A: \r\n\r\n"),

		refused("empty line first, in LF", "\n"+get+end, 400, codec+"empty_line"),
		forwarded("empty line first", "\r\n"+get+end, get+end),
		refused("many empty lines first", strings.Repeat("\r\n", 8)+get+end, 400, codec+"empty_line"),
		refused("space first", " "+get+end, 400, line),
		refused("two spaces", "GET  /g HTTP/1.1\r\nHost: x\r\n\r\n", 400, line),
		refused("tab for space", "GET\t/g\tHTTP/1.1\r\nHost: x\r\n\r\n", 400, line),
		refused("space at the end", "GET /g HTTP/1.1 \r\nHost: x\r\n\r\n", 400, line),
		refused("target with a space", "GET /g h HTTP/1.1\r\nHost: x\r\n\r\n", 400, line),
		refused("no version", "GET /g\r\nHost: x\r\n\r\n", 400, line),
		refused("no target", "GET HTTP/1.1\r\nHost: x\r\n\r\n", 400, line),
		refused("no method", "/g HTTP/1.1\r\nHost: x\r\n\r\n", 400, line),
		refused("method with a colon", "GET: /g HTTP/1.1\r\nHost: x\r\n\r\n", 400, line),
		refused("HTTP/1.2", "GET /g HTTP/1.2\r\nHost: x\r\n\r\n", 505, "http1.version_not_supported"),
		refused("HTTP/2.0", "GET /g HTTP/2.0\r\nHost: x\r\n\r\n", 505, "http1.version_not_supported"),
		refused("HTTP/0.9", "GET /g HTTP/0.9\r\nHost: x\r\n\r\n", 505, "http1.version_not_supported"),
		refused("HTTP/1.10", "GET /g HTTP/1.10\r\nHost: x\r\n\r\n", 400, line),
		refused("HTTP/01.1", "GET /g HTTP/01.1\r\nHost: x\r\n\r\n", 400, line),
		refused("http/1.1", "GET /g http/1.1\r\nHost: x\r\n\r\n", 400, line),
		refused("HTTP/1.", "GET /g HTTP/1.\r\nHost: x\r\n\r\n", 400, line),
		refused("answer for a request", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400, line),
		refused("TLS", "\x16\x03\x01\x00\x05hello\r\n\r\n", 400, codec+"invalid_character"),
		forwarded("method of one's own", "FROB /p HTTP/1.1\r\nHost: x\r\n"+length+end+"hello", "FROB /p HTTP/1.1\r\nHost: x\r\n"+length+end+"hello"),
		refused("connect", "connect x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 400, "http1.ambiguous_method"),
		refused("head", "head /g HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http1.ambiguous_method"),

		refused("long target", "GET /"+strings.Repeat("a", 9<<10)+" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "http1.uri_too_long"),
		refused("long field", get+"A: "+strings.Repeat("a", 9<<10)+end+end, 431, "http1.headers_too_large"),
		refused("many fields", get+strings.Repeat("A: b\r\n", 120)+end, 431, "http1.too_many_headers"),
		refused("large body", post+"Content-Length: 5000"+end+end+strings.Repeat("a", 5000), 413, "request_payload_too_large"),
		refused("half a head", get+"A: b", 408, "request_header_timeout"),
		{name: "half a body", send: post + "Content-Length: 10" + end + end + "hello", status: 408, detail: "stream_idle_timeout", sent: post + "Content-Length: 10" + end + end + "hello"},
	})
}

// A request is for one host, which is said in one way.
func TestTargetsAndHosts(t *testing.T) {
	const (
		host   = "http1.invalid_host_header"
		target = "http1.invalid_target"
		differ = "http1.host_and_target_differ"
	)
	testRequests(t, []request{
		refused("no host", "GET /g HTTP/1.1\r\n\r\n", 400, "missing_host_header"),
		refused("two hosts", get+"Host: y\r\n\r\n", 400, "http1.duplicate_host_header"),
		refused("a host twice", get+"Host: x\r\n\r\n", 400, "http1.duplicate_host_header"),
		refused("two hosts in other case", get+"hOST: y\r\n\r\n", 400, "http1.duplicate_host_header"),
		refused("list of hosts", "GET /g HTTP/1.1\r\nHost: x, y\r\n\r\n", 400, host),
		refused("empty host", "GET /g HTTP/1.1\r\nHost:\r\n\r\n", 400, host),
		refused("host with a space", "GET /g HTTP/1.1\r\nHost: x y\r\n\r\n", 400, host),
		refused("host with a path", "GET /g HTTP/1.1\r\nHost: x/y\r\n\r\n", 400, host),
		refused("host with a query", "GET /g HTTP/1.1\r\nHost: x?y\r\n\r\n", 400, host),
		refused("host with a fragment", "GET /g HTTP/1.1\r\nHost: x#y\r\n\r\n", 400, host),
		refused("host with a user", "GET /g HTTP/1.1\r\nHost: u@x\r\n\r\n", 400, host),
		refused("host with a scheme", "GET /g HTTP/1.1\r\nHost: http://x\r\n\r\n", 400, host),
		refused("host with a bad port", "GET /g HTTP/1.1\r\nHost: x:8o\r\n\r\n", 400, host),
		refused("host with two ports", "GET /g HTTP/1.1\r\nHost: x:1:2\r\n\r\n", 400, host),
		refused("host with an open bracket", "GET /g HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, host),
		refused("host with a backslash", "GET /g HTTP/1.1\r\nHost: x\\y\r\n\r\n", 400, host),
		refused("host beyond ASCII", "GET /g HTTP/1.1\r\nHost: \u00e4\r\n\r\n", 400, host),

		forwarded("absolute target", "GET http://x/g?q HTTP/1.1\r\nHost: x\r\n\r\n", "GET /g?q HTTP/1.1\r\nhost: x\r\n\r\n"),
		forwarded("absolute target of nothing", "GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
		refused("absolute target for another host", "GET http://y/g HTTP/1.1\r\nHost: x\r\n\r\n", 400, differ),
		refused("absolute target for another port", "GET http://x:81/g HTTP/1.1\r\nHost: x\r\n\r\n", 400, differ),
		refused("absolute target with a user", "GET http://x@x/g HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http1.invalid_authority"),
		refused("absolute target without host", "GET http:///g HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http1.invalid_authority"),
		refused("absolute target of another scheme", "GET file://x/g HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http1.invalid_scheme"),
		refused("target without slash", "GET g HTTP/1.1\r\nHost: x\r\n\r\n", 400, target),
		refused("target of a query", "GET ?q HTTP/1.1\r\nHost: x\r\n\r\n", 400, target),
		refused("target with a fragment", "GET /g#f HTTP/1.1\r\nHost: x\r\n\r\n", 400, "http1.path_with_fragment"),
		refused("asterisk", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400, target),
		refused("authority", "GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, target),
		refused("CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"+hidden, 405, "connect_not_allowed"),
		refused("CONNECT to a path", "CONNECT /g HTTP/1.1\r\nHost: x\r\n\r\n"+hidden, 400, target),
		refused("CONNECT with a body", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n"+length+end+"hello", 400, "http1.connect_with_body"),
		refused("CONNECT with chunks", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n"+chunks+end+empty, 501, "http1.invalid_transfer_encoding"),
		refused("upgrade", get+"Connection: upgrade\r\nUpgrade: other\r\n\r\n"+hidden, 403, "upgrade_failed"),
		forwarded("upgrade to HTTP/2", get+"Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"+get+end, get+end+get+end),
		forwarded("upgrade that Connection does not name", get+"Upgrade: websocket\r\n\r\n", get+end),
	})
}
