package desync

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// response is what an upstream answers to the first of two requests, and what
// the client gets for it.
type response struct {
	name   string
	method string // GET by default
	answer string // of the upstream, which then ends its side
	status int
	detail string
	got    string // what the client gets of an answer that is passed on
	cut    bool   // the client's connection is reset within it
	second bool   // the second request is answered on the same connection
}

// failed, given and last make responses: refused with 502, passed on with
// another one after it, passed on as the last of a connection.
func failed(name, answer, detail string) response {
	return response{name: name, answer: answer, status: 502, detail: detail}
}

func given(name, answer, got string) response {
	return response{name: name, answer: answer, status: 200, got: got, second: true}
}

func last(name, answer, got string) response {
	return response{name: name, answer: answer, status: 200, got: got}
}

const (
	ok     = "HTTP/1.1 200 OK\r\n"
	forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged" // what must never answer a second request
	closes = "connection: close\r\n"
)

// What two clients might read differently in an answer is a failure of the
// upstream, and nothing behind an answer answers the next request.
func TestResponses(t *testing.T) {
	const (
		both   = "http1.content_length_and_chunked_not_allowed"
		number = "http1.invalid_content_length"
		coding = "http1.invalid_transfer_encoding"
		codec  = "http1.codec_error."
		line   = codec + "status_line"
	)
	chunked, out := ok+chunks+end, ok+lowered+end
	lanes(t, []response{
		given("length", ok+length+end+"hello", ok+length+end+"hello"),
		given("chunks", chunked+"5\r\nhello\r\n"+empty, out+"5\r\nhello\r\n"+empty),
		last("until the end", ok+end+"hello", ok+closes+end+"hello"),

		failed("length and chunks", ok+length+chunks+end+empty, both),
		failed("chunks and length of nothing", ok+chunks+"Content-Length: 0"+end+end+empty, both),
		failed("two lengths", ok+"Content-Length: 5"+end+"Content-Length: 11"+end+end+"hello"+forged, "http1.duplicate_content_length"),
		failed("a length twice", ok+length+length+end+"hello", "http1.duplicate_content_length"),
		failed("list of lengths", ok+"Content-Length: 5, 5"+end+end+"hello", number),
		failed("length with plus", ok+"Content-Length: +5"+end+end+"hello", number),
		failed("length with minus", ok+"Content-Length: -5"+end+end+"hello", number),
		failed("length in hex", ok+"Content-Length: 0x5"+end+end+"hello", number),
		failed("length of nothing", ok+"Content-Length: "+end+end, number),
		failed("length beyond everything", ok+"Content-Length: 99999999999999999999"+end+end+"hello", number),
		failed("chunked twice", ok+"Transfer-Encoding: chunked, chunked"+end+end+empty, "http1.chunked_not_final"),
		failed("two codings", ok+chunks+chunks+end+empty, "http1.duplicate_transfer_encoding"),
		failed("gzip, then chunked", ok+"Transfer-Encoding: gzip, chunked"+end+end+empty, coding),
		failed("identity", ok+"Transfer-Encoding: identity"+end+end+"hello", coding),
		failed("xchunked", ok+"Transfer-Encoding: xchunked"+end+end+empty, coding),
		failed("chunks in 1.0", "HTTP/1.0 200 OK\r\n"+chunks+end+empty, "http1.transfer_encoding_not_allowed_in_http10"),
		failed("chunks of 204", "HTTP/1.1 204 No Content\r\n"+chunks+end+empty, "http1.transfer_encoding_not_allowed"),

		failed("folded field", ok+"A: b\r\n c\r\n"+length+end+"hello", codec+"obs_fold"),
		failed("folded coding", ok+"Transfer-Encoding:\r\n chunked\r\n\r\n"+empty, codec+"obs_fold"),
		failed("space before the colon", ok+"Content-Length : 5\r\n\r\nhello", codec+"space_before_colon"),
		failed("lines that end in LF", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", codec+"bare_lf"),
		failed("length behind LF", ok+"A: b\nContent-Length: 5\r\n\r\nhello", codec+"bare_lf"),
		failed("length behind CR", ok+"A: b\rContent-Length: 5\r\n\r\nhello", codec+"bare_cr"),
		failed("NUL in a value", ok+"A: \x00\r\n"+length+end+"hello", codec+"invalid_character"),
		failed("NUL in the reason", "HTTP/1.1 200 O\x00K\r\n"+length+end+"hello", codec+"invalid_character"),
		failed("no name", ok+": b\r\n"+length+end+"hello", codec+"empty_name"),
		failed("empty line first", "\r\n"+ok+length+end+"hello", codec+"empty_line"),
		failed("other version", "HTTP/2.0 200 OK\r\n"+length+end+"hello", line),
		failed("small version", "http/1.1 200 OK\r\n"+length+end+"hello", line),
		failed("no version", "200 OK\r\n"+length+end+"hello", line),
		failed("two spaces", "HTTP/1.1  200 OK\r\n"+length+end+"hello", line),
		failed("status of two digits", "HTTP/1.1 20 OK\r\n"+length+end+"hello", line),
		failed("status of four digits", "HTTP/1.1 2000 OK\r\n"+length+end+"hello", line),
		failed("status with plus", "HTTP/1.1 +20 OK\r\n"+length+end+"hello", line),
		failed("status of nothing", "HTTP/1.1 000 OK\r\n"+length+end+"hello", line),
		failed("no HTTP", "hello\r\n\r\n", line),
		failed("large head", ok+"A: "+strings.Repeat("a", 9<<10)+"\r\n\r\n", "http1.headers_too_large"),
		failed("many fields", ok+strings.Repeat("A: b\r\n", 120)+"\r\n", "http1.too_many_headers"),
		failed("upgrade that nobody wanted", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"+forged, "http1.unasked_upgrade"),

		given("two answers", ok+length+end+"hello"+forged, ok+length+end+"hello"),
		given("two status lines", ok+ok+length+end+"hello", "").refused(codec + "invalid_name"),
		given("interim answers", "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"+ok+length+end+"hello", "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"+ok+length+end+"hello"),
		given("interim answer with a length", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n"+ok+length+end+"hello", "HTTP/1.1 103 Early Hints\r\n\r\n"+ok+length+end+"hello"),
		given("204 with a body", "HTTP/1.1 204 No Content\r\n\r\nhello", "HTTP/1.1 204 No Content\r\n\r\n").with(204),
		given("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 48\r\n\r\n"+forged, "HTTP/1.1 204 No Content\r\n\r\n").with(204),
		given("304 with a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 48\r\n\r\n"+forged, "HTTP/1.1 304 Not Modified\r\nContent-Length: 48\r\n\r\n").with(304),
		given("HEAD with a body", ok+"Content-Length: 48\r\n\r\n"+forged, ok+"Content-Length: 48\r\n\r\n").to("HEAD"),
		given("HEAD with chunks", chunked+"5\r\nhello\r\n"+empty, ok+"\r\n").to("HEAD"),

		last("length that is not kept", ok+"Content-Length: 10\r\n\r\nhello", ok+"Content-Length: 10\r\n\r\nhello").broken("upstream_reset_after_response_started{connection_termination}"),
		last("chunks without end", chunked+"5\r\nhello\r\n", out+"5\r\nhello\r\n").broken("upstream_reset_after_response_started{connection_termination}"),
		failed("size with plus", chunked+"+5\r\nhello\r\n"+empty, "http1.invalid_chunk_size"),
		failed("size beyond 64 bits", chunked+"10000000000000005\r\nhello\r\n"+empty, "http1.invalid_chunk_size"),
		failed("size that ends in LF", chunked+"5\nhello\r\n"+empty, codec+"bare_lf"),
		failed("trailer with length", chunked+"0\r\nContent-Length: 5\r\n\r\n", "http1.forbidden_trailer"),
		given("trailer", chunked+"0\r\nX-T: a\r\n\r\n", out+"0\r\nX-T: a\r\n\r\n"),
		last("nothing", "", "").refusedWith(503, "upstream_reset_before_response_started{connection_termination}"),
		last("half a head", ok+"A: b", "").refusedWith(503, "upstream_reset_before_response_started{connection_termination}"),
	}, func(r response) string { return r.name }, func(t *testing.T, l *lane, r response) { r.try(t, l) })
}

func (r response) with(status int) response  { r.status = status; return r }
func (r response) to(method string) response { r.method = method; return r }

func (r response) refused(detail string) response { return failed(r.name, r.answer, detail) }

func (r response) refusedWith(status int, detail string) response {
	r.status, r.detail, r.got = status, detail, ""
	return r
}

// broken is an answer that the client can see is not whole.
func (r response) broken(detail string) response {
	r.detail, r.cut = detail, true
	return r
}

// asked is what the client says: two requests at once.
func (r response) asked() string {
	method := r.method
	if method == "" {
		method = "GET"
	}
	return method + " /first HTTP/1.1\r\nHost: x\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n"
}

const second = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"

// through is what a client gets through f of an upstream that answers so.
func (r response) through(f *front, answer string) (got string, reset bool) {
	f.origin.answer(func(req *http.Request) string {
		if req.URL.Path == "/second" {
			return second
		}
		return answer
	})
	got, reset = f.ask(r.asked())
	f.origin.took()
	return got, reset
}

func (r response) try(t *testing.T, l *lane) {
	var first string
	var bodies []string
	for _, p := range l.pitots {
		first, bodies = r.comes(t, p)
	}
	r.agree(t, l.peers, bodies, first)
}

// comes is what the client of p gets, up to the second answer, and how it reads
// all of it.
func (r response) comes(t *testing.T, p *front) (first string, bodies []string) {
	t.Helper()
	got, reset := r.through(p, r.answer)
	x := p.span()
	p.forget()
	first, rest := got, ""
	if i := strings.Index(got, second); i >= 0 {
		first, rest = got[:i], got[i:]
	}
	codes, bodies := answered(got, r.method)
	t.Logf("%-8s %v", p.name, bodies)
	switch {
	case r.got == "" && (len(codes) == 0 || codes[0] != r.status || !strings.Contains(got, "pitot: "+r.detail)):
		t.Errorf("%s: %q comes to the client as %q, want %d %s", p.name, cut(r.answer), cut(got), r.status, r.detail)
	case p.tls != nil && r.got != "" && same(bodies[:1], r.read()):
		return first, bodies // in chunks of its own
	case r.got != "" && (first != r.got || reset != r.cut):
		t.Errorf("%s: %q comes to the client as %q, reset %v, want %q", p.name, cut(r.answer), cut(first), reset, cut(r.got))
	}
	if r.second != (rest == second) && r.got != "" {
		t.Errorf("%s: behind the answer stands %q", p.name, rest)
	}
	if strings.Contains(got, "forged") && !strings.Contains(r.got, "forged") {
		t.Errorf("%s: the client got what the upstream hid: %q", p.name, got)
	}
	if x.StatusMessage != r.detail || (r.status == 502) != (x.Flags == event.FlagUPE) {
		t.Errorf("%s: told as %q with flags %q, want %q", p.name, x.StatusMessage, x.Flags, r.detail)
	}
	return first, bodies
}

// read is how a client reads what it is to get.
func (r response) read() []string {
	_, bodies := answered(r.got, r.method)
	return bodies
}

// agree compares what the client reads through pitot with what it reads through
// the peers. Where one differs, pitot's version of the answer must be beyond
// dispute.
func (r response) agree(t *testing.T, peers []*front, mine []string, version string) {
	t.Helper()
	differ := false
	for _, p := range peers {
		got, _ := r.through(p, r.answer)
		_, theirs := answered(got, r.method)
		t.Logf("%-8s %v", p.name, theirs)
		differ = differ || fmt.Sprint(mine) != fmt.Sprint(theirs)
	}
	if differ {
		r.stands(t, peers, mine, version)
	}
}

// stands has the peers pass version on, an answer as pitot gave it, and wants
// clients to read it as pitot's did.
func (r response) stands(t *testing.T, peers []*front, mine []string, version string) {
	t.Helper()
	if r.got == "" || r.cut {
		return
	}
	if strings.HasPrefix(version, "HTTP/1.1 1") { // interim answers are news to some
		_, version, _ = strings.Cut(version, "\r\n\r\n")
	}
	for _, p := range peers {
		var theirs []string
		for range 4 { // a busy machine makes some late
			got, _ := r.through(p, version)
			if _, theirs = answered(got, r.method); len(theirs) > 0 && theirs[0] == mine[0] {
				break
			}
		}
		if len(theirs) == 0 || theirs[0] != mine[0] {
			t.Errorf("through %s what pitot passed on, %q, is %v and not %v", p.name, version, theirs, mine)
		}
	}
}
