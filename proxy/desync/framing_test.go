package desync

import (
	"strings"
	"testing"
)

// Where a request ends is said once, in one way, or the request is refused.
func TestFramingOfRequests(t *testing.T) {
	const (
		both     = "http1.content_length_and_chunked_not_allowed"
		number   = "http1.invalid_content_length"
		coding   = "http1.invalid_transfer_encoding"
		notFinal = "http1.chunked_not_final"
		names    = "http1.connection_header_names_protected_field"
	)
	testRequests(t, []request{
		forwarded("length", post+length+end+"hello", post+length+end+"hello"),
		forwarded("chunks", post+chunks+end+"5\r\nhello\r\n"+empty, post+lowered+end+"5\r\nhello\r\n"+empty),
		forwarded("length of nothing", post+"Content-Length: 0"+end+end, post+"Content-Length: 0"+end+end),
		forwarded("length with zeros", post+"Content-Length: 005"+end+end+"hello", post+"Content-Length: 005"+end+end+"hello"),

		refused("length and chunks", post+length+chunks+end+empty+hidden, 400, both),
		refused("chunks and length", post+chunks+length+end+empty+hidden, 400, both),
		refused("chunks and length of nothing", post+chunks+"Content-Length: 0"+end+end+empty, 400, both),
		refused("chunks and a bad length", post+chunks+"Content-Length: x"+end+end+empty, 400, both),
		refused("length and an unknown coding", post+length+"Transfer-Encoding: x"+end+end+"hello", 400, both),
		refused("length and identity", post+length+"Transfer-Encoding: identity"+end+end+"hello", 400, both),
		refused("length and an empty coding", post+length+"Transfer-Encoding:"+end+end+"hello", 400, both),
		refused("length and chunks in other case", post+length+"tRANSFER-eNCODING: CHUNKED"+end+end+empty+hidden, 400, both),

		refused("two lengths", post+"Content-Length: 5"+end+"Content-Length: 6"+end+end+"hello!", 400, "http1.duplicate_content_length"),
		refused("a length twice", post+length+length+end+"hello", 400, "http1.duplicate_content_length"),
		refused("list of lengths", post+"Content-Length: 5, 5"+end+end+"hello", 400, number),
		refused("list of other lengths", post+"Content-Length: 5, 6"+end+end+"hello!", 400, number),
		refused("length with plus", post+"Content-Length: +5"+end+end+"hello", 400, number),
		refused("length with minus", post+"Content-Length: -5"+end+end+"hello", 400, number),
		refused("length of minus nothing", post+"Content-Length: -0"+end+end, 400, number),
		refused("length in hex", post+"Content-Length: 0x5"+end+end+"hello", 400, number),
		refused("length with a point", post+"Content-Length: 5.0"+end+end+"hello", 400, number),
		refused("length with an exponent", post+"Content-Length: 1e1"+end+end+"hello", 400, number),
		refused("length with a space inside", post+"Content-Length: 1 0"+end+end+"hello", 400, number),
		refused("length with a comma", post+"Content-Length: 5,"+end+end+"hello", 400, number),
		refused("length in quotes", post+"Content-Length: \"5\""+end+end+"hello", 400, number),
		refused("length without number", post+"Content-Length:"+end+end, 400, number),
		refused("length beyond 64 bits", post+"Content-Length: 18446744073709551621"+end+end+"hello", 400, number),
		refused("length beyond everything", post+"Content-Length: "+strings.Repeat("9", 100)+end+end+"hello", 400, number),
		refused("length in other digits", post+"Content-Length: \u0665"+end+end+"hello", 400, number),
		refused("length with vertical tab", post+"Content-Length: \v5"+end+end+"hello", 400, "http1.codec_error.invalid_character"),

		refused("chunked twice", post+"Transfer-Encoding: chunked, chunked"+end+end+empty, 400, notFinal),
		refused("two fields", post+chunks+chunks+end+empty, 400, "http1.duplicate_transfer_encoding"),
		refused("two fields, other first", post+"Transfer-Encoding: identity"+end+chunks+end+empty, 400, "http1.duplicate_transfer_encoding"),
		refused("chunked, then gzip", post+"Transfer-Encoding: chunked, gzip"+end+end+empty, 400, notFinal),
		refused("gzip, then chunked", post+"Transfer-Encoding: gzip, chunked"+end+end+empty, 501, coding),
		refused("identity", post+"Transfer-Encoding: identity"+end+end, 501, coding),
		refused("identity, chunked", post+"Transfer-Encoding: identity, chunked"+end+end+empty, 501, coding),
		refused("xchunked", post+"Transfer-Encoding: xchunked"+end+end+empty, 501, coding),
		refused("chunkedx", post+"Transfer-Encoding: chunkedx"+end+end+empty, 501, coding),
		refused("chunked in quotes", post+"Transfer-Encoding: \"chunked\""+end+end+empty, 501, coding),
		refused("chunked with a parameter", post+"Transfer-Encoding: chunked;q=1"+end+end+empty, 501, coding),
		refused("chunked and a comma", post+"Transfer-Encoding: chunked,"+end+end+empty, 501, coding),
		refused("a comma and chunked", post+"Transfer-Encoding: ,chunked"+end+end+empty, 501, coding),
		refused("chunked and a vertical tab", post+"Transfer-Encoding: chunked\v"+end+end+empty, 400, "http1.codec_error.invalid_character"),
		refused("coding of nothing", post+"Transfer-Encoding:"+end+end+hidden, 501, coding),
		forwarded("underscore beside length", post+length+"Transfer_Encoding: chunked"+end+end+"hello", post+length+"Transfer_Encoding: chunked"+end+end+"hello"),
		refused("chunks in 1.0", "POST /p HTTP/1.0\r\nHost: x\r\n"+chunks+end+empty, 400, "http1.transfer_encoding_not_allowed_in_http10"),
		refused("chunks in 1.0 that stays", "POST /p HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n"+chunks+end+empty+hidden, 400, "http1.transfer_encoding_not_allowed_in_http10"),

		refused("Connection: content-length", post+"Connection: content-length"+end+length+end+"hello", 400, names),
		refused("Connection: transfer-encoding", post+"Connection: close, transfer-encoding"+end+chunks+end+empty, 400, names),
		refused("Connection: host", "GET /g HTTP/1.1\r\nHost: x\r\nConnection: Host\r\n\r\n", 400, names),
		refused("Connection: x-forwarded-for", get+"Connection: X-Forwarded-For"+end+end, 400, names),
		refused("Connection: no name", get+"Connection: a b"+end+end, 400, names),
		refused("Connection: many names", get+"Connection: "+strings.Repeat("a, ", 11)+"b"+end+end, 400, "http1.connection_header_too_many_names"),
		forwarded("fields of the connection", get+"Connection: X-A, close, te"+end+"X-A: 1"+end+"TE: trailers"+end+"Keep-Alive: 1"+end+"Proxy-Connection: x"+end+end, get+end),

		forwarded("pipelined", post+length+end+"hello"+get+end, post+length+end+"hello"+get+end),
		forwarded("GET with a body", get+length+end+"hello"+hidden, get+length+end+"hello"+hidden),
		forwarded("more than the length", post+length+end+"hello\r\n"+hidden, post+length+end+"hello"+hidden),
	})
}
