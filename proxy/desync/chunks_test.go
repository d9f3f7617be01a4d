package desync

import (
	"strings"
	"testing"
)

// Chunks are passed on as they came, so whatever two programs might read in
// two ways ends the request before it has gone on.
func TestChunksOfRequests(t *testing.T) {
	const (
		size    = "http1.invalid_chunk_size"
		lines   = "http1.invalid_chunk_framing"
		trailer = "http1.invalid_trailer"
	)
	chunked, sent := post+chunks+end, post+lowered+end
	pass := func(name, body string) request { return forwarded(name, chunked+body, sent+body) }
	refuse := func(name, body, detail string) request { return refused(name, chunked+body+hidden, 400, detail) }
	testRequests(t, []request{
		pass("size with zeros", "0005\r\nhello\r\n"+empty),
		pass("size in capitals", "A\r\nhellohello\r\n"+empty),
		pass("several zeros at the end", "5\r\nhello\r\n000\r\n\r\n"),

		refuse("no size", "\r\nhello\r\n"+empty, size),
		refuse("size with plus", "+5\r\nhello\r\n"+empty, size),
		refuse("size with minus", "-5\r\nhello\r\n"+empty, size),
		refuse("size with 0x", "0x5\r\nhello\r\n"+empty, lines),
		refuse("size with a space before", " 5\r\nhello\r\n"+empty, size),
		pass("size with a space behind", "5 \r\nhello\r\n"+empty),
		pass("size with a tab behind", "5\t\r\nhello\r\n"+empty),
		refuse("size with text", "5g\r\nhello\r\n"+empty, lines),
		refuse("size with a space and text", "5 5\r\nhello\r\n"+empty, size),
		refuse("size with an underscore", "0_5\r\nhello\r\n"+empty, lines),
		request{name: "size beyond 32 bits", send: chunked + "100000005\r\nhello\r\n" + empty, status: 408, detail: "stream_idle_timeout", sent: sent + "100000005\r\nhello\r\n" + empty},
		refuse("size beyond 64 bits", "10000000000000005\r\nhello\r\n"+empty, size),
		refuse("size of all ones", "ffffffffffffffff\r\nhello\r\n"+empty, size),
		refuse("long size", strings.Repeat("0", 200)+"5\r\nhello\r\n"+empty, size),

		pass("extension", "5;a=b\r\nhello\r\n"+empty),
		pass("extension in quotes", "5;a=\"b;c\"\r\nhello\r\n"+empty),
		refuse("extension with LF", "5;a\nhello\r\n"+empty, "http1.codec_error.bare_lf"),
		refuse("extension with LF in quotes", "5;a=\"\n\"\r\nhello\r\n"+empty, "http1.codec_error.bare_lf"),
		refuse("extension with CR", "5;a\rb\r\nhello\r\n"+empty, "http1.codec_error.bare_cr"),
		refuse("extension with NUL", "5;a\x00b\r\nhello\r\n"+empty, lines),
		refuse("extension of nothing but LF", "5;\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"+empty, "http1.codec_error.bare_lf"),
		request{name: "long extension", send: chunked + "5;" + strings.Repeat("a", 8<<10) + "\r\nhello\r\n" + empty, status: 431, detail: "http1.chunk_framing_too_long"},

		refuse("size that ends in LF", "5\nhello\r\n"+empty, "http1.codec_error.bare_lf"),
		refuse("size that ends in CR", "5\rhello\r\n"+empty, "http1.codec_error.bare_cr"),
		refuse("size that ends in CR CR LF", "5\r\r\nhello\r\n"+empty, "http1.codec_error.bare_cr"),
		refuse("chunk that ends in LF", "5\r\nhello\n"+empty, "http1.codec_error.bare_lf"),
		refuse("chunk without end", "5\r\nhello"+empty, lines),
		refuse("chunk longer than said", "4\r\nhello\r\n"+empty, lines),
		refuse("chunk with two other bytes at its end", "5\r\nhelloXX"+empty, lines),
		refuse("last chunk that ends in LF", "5\r\nhello\r\n0\n\r\n", "http1.codec_error.bare_lf"),
		refuse("body that ends in LF", "5\r\nhello\r\n0\r\n\n", trailer),
		request{name: "no last chunk", send: chunked + "5\r\nhello\r\n", status: 408, detail: "stream_idle_timeout", sent: sent + "5\r\nhello\r\n"},

		pass("trailer", "5\r\nhello\r\n0\r\nX-T: a\r\n\r\n"),
		refuse("trailer with length", "0\r\nContent-Length: 50\r\n\r\n", "http1.forbidden_trailer"),
		refuse("trailer with chunks", "0\r\nTransfer-Encoding: chunked\r\n\r\n", "http1.forbidden_trailer"),
		refuse("trailer with host", "0\r\nHost: y\r\n\r\n", "http1.forbidden_trailer"),
		refuse("trailer with length in other case", "0\r\ncontent-LENGTH: 50\r\n\r\n", "http1.forbidden_trailer"),
		pass("trailer with a longer name", "0\r\nContent-Length-Of-All: 50\r\n\r\n"),
		refuse("trailer with a space", "0\r\nX-T : a\r\n\r\n", trailer),
		refuse("folded trailer", "0\r\nX-T: a\r\n b\r\n\r\n", trailer),
		refuse("trailer without colon", "0\r\nGET /hidden HTTP/1.1\r\n\r\n", trailer),
		refuse("trailer with LF", "0\r\nX-T: a\nX-U: b\r\n\r\n", "http1.codec_error.bare_lf"),
		refuse("trailer with NUL", "0\r\nX-T: a\x00\r\n\r\n", "http1.codec_error.invalid_character"),
		request{name: "long trailer", send: chunked + "0\r\nX-T: " + strings.Repeat("a", 9<<10) + "\r\n\r\n", status: 431, detail: "http1.chunk_framing_too_long"},
	})
}
