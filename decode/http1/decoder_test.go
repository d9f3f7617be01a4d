package http1

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

func fresh() decode.Decoder { return with(decode.Conn{Limits: decode.DefaultLimits()}) }

func with(c decode.Conn) decode.Decoder { return New(c, Options{}) }

// brief is one line per exchange and notice, in the order they were told:
// method, path, status, body sizes, error type, flags.
func brief(r *testkit.Recorder) string {
	var b strings.Builder
	for i := range r.Exchanges {
		x := &r.Exchanges[i]
		if x.HTTP == nil { // of the next decoder
			fmt.Fprintf(&b, "%s %d/%d\n", x.Name, x.RequestBytes, x.ResponseBytes)
			continue
		}
		fmt.Fprintf(&b, "%s %s %d %d/%d", x.HTTP.Method, x.HTTP.Path, x.HTTP.StatusCode, x.HTTP.RequestBody, x.HTTP.ResponseBody)
		if x.ErrorType != "" {
			b.WriteString(" " + x.ErrorType)
		}
		x.Decode.Each(func(name string) { b.WriteString(" " + name) })
		b.WriteByte('\n')
	}
	for i := range r.Notices {
		b.WriteString("! " + r.Notices[i].Body + "\n")
	}
	return b.String()
}

func request(path string) testkit.Piece {
	return testkit.C("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
}

func reply(status, body string) testkit.Piece {
	return testkit.S(fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body))
}

var conversations = []struct {
	name   string
	pieces []testkit.Piece
	want   string
}{
	{"keep-alive", []testkit.Piece{request("/1"), reply("200 OK", "abc"), request("/2"), reply("404 Not Found", "")},
		"GET /1 200 0/3\nGET /2 404 0/0\n"},
	{"pipelined", []testkit.Piece{request("/1"), request("/2"), request("/3"), reply("200 OK", "a"), reply("200 OK", "bc"), reply("503 No", "")},
		"GET /1 200 0/1\nGET /2 200 0/2\nGET /3 503 0/0 503\n"},
	{"head, 204 and 304 have no body", []testkit.Piece{
		testkit.C("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n"), testkit.S("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
		request("/n"), testkit.S("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"),
		request("/m"), testkit.S("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"), request("/l"), reply("200 OK", "x")},
		"HEAD /h 200 0/0\nGET /n 204 0/0\nGET /m 304 0/0\nGET /l 200 0/1\n! http1: answer: answer 204 that announces a body: without body, or with one: read as without\n"},
	{"chunked both ways", []testkit.Piece{
		testkit.C("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
		testkit.S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nSum: 1\r\n\r\n"), request("/d"), reply("200 OK", "")},
		"POST /c 200 5/3\nGET /d 200 0/0\n"},
	{"continue", []testkit.Piece{
		testkit.C("PUT /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"), testkit.S("HTTP/1.1 100 Continue\r\n\r\n"),
		testkit.C("body"), testkit.S("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), reply("201 Created", "ok")},
		"PUT /e 201 4/2\n"},
	{"until close", []testkit.Piece{testkit.C("GET /o HTTP/1.0\r\n\r\n"), testkit.S("HTTP/1.0 200 OK\r\n\r\nall of "), testkit.S("it")},
		"GET /o 200 0/9\n"},
	{"early answer", []testkit.Piece{testkit.C("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"), reply("413 Too Large", "no"), testkit.C("defghij")},
		"POST /big 413 10/2\n"},
	{"early answer, request given up", []testkit.Piece{testkit.C("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"), reply("413 Too Large", "no")},
		"POST /big 413 3/2 body_cut\n"},
	{"unanswered", []testkit.Piece{request("/1"), request("/2"), reply("200 OK", "")},
		"GET /1 200 0/0\nGET /2 0 0/0 unanswered no_response\n"},
	{"body cut", []testkit.Piece{request("/1"), testkit.S("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")},
		"GET /1 200 0/3 body_cut\n"},
	{"answer without request", []testkit.Piece{testkit.S("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")},
		"  408 0/0 no_request\n"},
	{"websocket", []testkit.Piece{
		testkit.C("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
		testkit.S("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n\x81\x02hi"), testkit.C("\x81\x80GET / HTTP/1.1\r\n\r\n")},
		"GET /ws 101 0/0\ntcp 20/4\n! http1: connection goes on as websocket\n"},
	{"switch without a name", []testkit.Piece{request("/u"), testkit.S("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")},
		"GET /u 101 0/0\ntcp 0/19\n! http1: connection goes on as a protocol that the answer did not name\n"},
	{"connect", []testkit.Piece{
		testkit.C("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"), testkit.S("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno"),
		testkit.C("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n\x16\x03\x01"), testkit.S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x16\x03"), testkit.C("GET / HTTP/1.1\r\n\r\n")},
		"CONNECT  407 0/2\nCONNECT  200 0/0\ntcp 21/2\n! http1: connection goes on as connect\n"},
	{"empty lines, bare LF and folding", []testkit.Piece{
		testkit.C("\r\n\nGET /lf HTTP/1.1\nHost: a\nX: 1\n  2\n\n"), testkit.S("http/1.1 200 ok\nContent-Length:\n 3\n\nabc")},
		"GET /lf 200 0/3\n! http1: answer: folded field in a framed message: read as one line, or as two: read as one line\n"},
	{"both framings", []testkit.Piece{testkit.C("POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"), reply("200 OK", "")},
		"POST /s 200 2/0\n! http1: request: body by content-length or by transfer-encoding: taken by transfer-encoding\n"},
	{"junk, then a request", []testkit.Piece{testkit.C("\x16\x03\x01 junk\r\nmore\r\n"), request("/j"), reply("200 OK", "")},
		"GET /j 200 0/0\n! http1: request: start line cannot be read; looking for the next start line\n"},
	{"request line without version", []testkit.Piece{testkit.C("GET /half HTTP/1.\r\nHost: a\r\n\r\n"), reply("400 Bad Request", "no")},
		"GET /half 400 0/2\n! http1: request: fields after a request line without version: HTTP/0.9 with something behind it, or HTTP/1: read as HTTP/1.0\n"},
	{"0.9", []testkit.Piece{testkit.C("GET /old\r\n"), testkit.S("<html>\n\n"), testkit.S("Hello")}, "GET /old 0 0/13\n"},
	{"0.9 with an empty line", []testkit.Piece{testkit.C("GET /old?q\n\n"), testkit.S("\r\nx")}, "GET /old 0 0/3\n"},
	{"0.9 whose answer looks like a head", []testkit.Piece{testkit.C("GET /old\r\n"), testkit.S("HTTP is old\nand so am I")}, "GET /old 0 0/23\n"},
	{"0.9 whose answer is short", []testkit.Piece{testkit.C("GET /old\r\n"), testkit.S("H")}, "GET /old 0 0/1\n"},
	{"0.9 answered in 1.x", []testkit.Piece{testkit.C("POST /old\r\n"), reply("400 No", "no"), testkit.C("more\r\n")},
		"POST /old 400 0/2\n! http1: request: start line cannot be read; looking for the next start line\n"},
	{"0.9 unanswered", []testkit.Piece{testkit.C("GET /old\r\n")}, "GET /old 0 0/0 unanswered body_cut no_response\n"},
	{"method alone", []testkit.Piece{testkit.C("OPTIONS\nHost: a\n\n"), reply("400 No", "")},
		"OPTIONS  400 0/0\n! http1: request: fields after a request line without version: HTTP/0.9 with something behind it, or HTTP/1: read as HTTP/1.0\n"},
	{"target with blanks", []testkit.Piece{testkit.C("GET /a b  c HTTP/1.1\r\nHost: a\r\n\r\n"), reply("400 No", "")},
		"GET /a b  c 400 0/0\n! http1: request: target with blanks: taken to the first one, refused, or whole: taken whole\n"},
	{"some lines in LF alone", []testkit.Piece{testkit.C("POST /m HTTP/1.1\r\nHost: a\nContent-Length: 1\r\n\r\nx"), reply("200 OK", "")},
		"POST /m 200 1/0\n! http1: request: lines that end in LF alone among others in a framed message: ends of lines, or not: read as ends\n"},
	{"list of lengths", []testkit.Piece{testkit.C("POST /m HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\nx"), testkit.S("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab")},
		"POST /m 200 1/2\n! http1: request: list of lengths that differ in content-length: taken by the first\n! http1: answer: content-length with a sign: read as the number, or refused: read\n"},
	{"chunk tricks", []testkit.Piece{request("/1"), testkit.S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n"),
		request("/2"), testkit.S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n"),
		request("/3"), testkit.S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 5\r\nx\r\n0\r\n\r\n"),
		request("/4"), testkit.S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;\x01\r\nx\r\n0\r\n\r\n")},
		"GET /1 200 0/1\nGET /2 200 0/1\nGET /3 200 0/1\nGET /4 200 0/1\n" +
			"! http1: answer: line of chunk framing that ends in LF alone: its end, or not: read as its end\n" +
			"! http1: answer: blank behind a chunk's size: skipped, or refused: skipped\n" +
			"! http1: answer: text behind a chunk's size without a semicolon: skipped, refused, or part of the size: skipped\n" +
			"! http1: answer: control character in a chunk's extension: skipped, or refused: skipped\n"},
	{"folded coding", []testkit.Piece{testkit.C("POST /f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"), reply("200 OK", "")},
		"POST /f 200 1/0\n! http1: request: folded field in a framed message: read as one line, or as two: read as one line\n"},
	{"through SOCKS 5", []testkit.Piece{testkit.C("\x05\x01\x00"), testkit.S("\x05\x00"), testkit.C("\x05\x01\x00\x03\x09a.example\x00\x50"),
		testkit.S("\x05\x00\x00\x01\x0a\x00\x00\x01\x00\x50"), request("/s5"), reply("200 OK", "x")}, "GET /s5 200 0/1\n"},
	{"through SOCKS 5 with a password", []testkit.Piece{testkit.C("\x05\x02\x00\x02\x01\x01u\x02pw\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50GET /p HTTP/1.1\r\nHost: a\r\n\r\n"),
		testkit.S("\x05\x02\x01\x00\x05\x00\x00\x01\x0a\x00\x00\x01\x00\x50HTTP/1.1 204 No\r\n\r\n")}, "GET /p 204 0/0\n"},
	{"through SOCKS 4a", []testkit.Piece{testkit.C("\x04\x01\x00\x50\x00\x00\x00\x07me\x00a.example\x00"), testkit.S("\x00\x5a\x00\x50\x0a\x00\x00\x01"),
		request("/s4"), reply("200 OK", "x")}, "GET /s4 200 0/1\n"},
	{"through SOCKS 4", []testkit.Piece{testkit.C("\x04\x01\x00\x50\x0a\x00\x00\x01\x00GET /4 HTTP/1.1\r\n\r\n"), testkit.S("\x00\x5a\x00\x50\x0a\x00\x00\x01HTTP/1.1 204 No\r\n\r\n")},
		"GET /4 204 0/0\n"},
	{"body longer than said", []testkit.Piece{request("/1"), testkit.S("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc{\"more\":1}HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), request("/2")},
		"GET /1 200 0/3\n  500 0/0 500 no_request\nGET /2 0 0/0 unanswered no_response\n! http1: answer: start line cannot be read; looking for the next start line\n"},
	{"bad chunk", []testkit.Piece{request("/1"), testkit.S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"), request("/2"), reply("200 OK", "x")},
		"GET /1 200 0/3 body_cut\nGET /2 200 0/1\n! http1: answer: chunk framing cannot be read; looking for the next start line\n"},
	{"head over the limit", []testkit.Piece{testkit.C("GET /long HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 66_000) + "\r\nY: 1\r\n\r\n"), reply("431 Too Large", ""), request("/2"), reply("200 OK", "x")},
		"GET /long 431 0/0 body_cut\nGET /2 200 0/1\n! http1: request: message head is over the limit; looking for the next start line\n"},
	{"head cut by the end", []testkit.Piece{testkit.C("GET /cut HTTP/1.1\r\nHost: a\r\nX-Half: ")},
		"GET /cut 0 0/0 unanswered body_cut no_response\n"},
}

func TestConversations(t *testing.T) {
	for _, c := range conversations {
		t.Run(c.name, func(t *testing.T) {
			if got := brief(testkit.Play(fresh(), 0, c.pieces...)); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

func TestEverySplitTellsTheSame(t *testing.T) {
	for _, c := range conversations {
		t.Run(c.name, func(t *testing.T) {
			if longest(c.pieces) > 4096 { // every offset of a long one takes minutes; these take a second
				want := testkit.Play(fresh(), 0, c.pieces...).JSON()
				for _, chunk := range []int{1, 2, 61, 4099, 65_535, 65_536, 65_537} {
					if got := testkit.Play(fresh(), chunk, c.pieces...).JSON(); got != want {
						t.Errorf("in pieces of %d: got\n%swant\n%s", chunk, got, want)
					}
				}
				return
			}
			testkit.EverySplit(fresh, func(cut int, want, got string) {
				t.Errorf("cut at %d: got\n%swant\n%s", cut, got, want)
			}, c.pieces...)
		})
	}
}

func longest(pieces []testkit.Piece) (n int) {
	for _, p := range pieces {
		n = max(n, len(p.Bytes))
	}
	return n
}

// However much of a conversation is missing at its end, what is told must be
// sound: valid JSON, bodies no longer than what was seen, times in order.
func TestTruncationAtEveryByte(t *testing.T) {
	for _, c := range conversations {
		for i := range c.pieces {
			if longest(c.pieces) > 4096 {
				continue
			}
			for n := range len(c.pieces[i].Bytes) {
				cut := append(append([]testkit.Piece(nil), c.pieces[:i]...), testkit.Piece{Dir: c.pieces[i].Dir, Bytes: c.pieces[i].Bytes[:n]})
				sound(t, testkit.Play(fresh(), 0, cut...), cut)
			}
		}
	}
}

// sound checks what holds for everything that the decoder tells.
func sound(t *testing.T, r *testkit.Recorder, pieces []testkit.Piece) {
	t.Helper()
	var fed, told, payload [2]int64
	for _, p := range pieces {
		fed[p.Dir] += int64(len(p.Bytes))
	}
	for i := range r.Exchanges {
		x := &r.Exchanges[i]
		told[0], told[1] = told[0]+x.RequestBytes, told[1]+x.ResponseBytes
		if x.HTTP == nil {
			continue
		}
		payload[0], payload[1] = payload[0]+x.HTTP.RequestBody, payload[1]+x.HTTP.ResponseBody
		if x.Start == 0 || x.End < x.Start || x.FirstByte != 0 && x.FirstByte < x.Start && x.HTTP.StatusCode == 0 {
			t.Fatalf("times %d %d %d of %s", x.Start, x.FirstByte, x.End, x.Name)
		}
	}
	for d := range fed {
		if told[d] > fed[d] || payload[d] > told[d] {
			t.Fatalf("direction %d: fed %d, told %d, payload %d\n%s", d, fed[d], told[d], payload[d], brief(r))
		}
	}
	for _, line := range testkit.Lines(r.JSON()) {
		if !json.Valid([]byte(line)) {
			t.Fatalf("not JSON: %s", line)
		}
	}
}

func TestGaps(t *testing.T) {
	type step struct {
		d event.Dir
		s string
		n int64 // a gap of n bytes after s
	}
	const c, s = event.ToServer, event.ToClient
	const ask, ok = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
	for _, k := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"inside a body", []step{{c, ask, 0}, {s, ok + "ab", 6}, {s, "ij", 0}, {c, ask, 0}, {s, ok + "0123456789", 0}},
			"GET /1 200 0/10 response_gap\nGET /1 200 0/10\n"},
		{"to the end of a body", []step{{c, ask, 0}, {s, ok, 10}, {c, ask, 0}, {s, ok + "0123456789", 0}},
			"GET /1 200 0/10 response_gap\nGET /1 200 0/10\n"},
		{"past the end of a chunk", []step{{c, ask, 0}, {s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nab", 40}, {s, "tail\r\n", 0}},
			"GET /1 200 0/2 response_gap body_cut\n"},
		{"inside a chunk", []step{{c, ask, 0}, {s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nab", 4}, {s, "gh\r\n0\r\n\r\n", 0}},
			"GET /1 200 0/8 response_gap\n"},
		{"inside a request body", []step{{c, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", 6}, {c, "i", 0}, {s, ok + "0123456789", 0}},
			"POST /p 200 9/10 request_gap\n"},
		{"inside a request without answer, where the server was seen", []step{{c, ask, 0}, {s, ok + "0123456789", 0}, {c, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", 6}, {c, "i", 0}},
			"GET /1 200 0/10\nPOST /p 0 9/0 unanswered request_gap no_response\n"},
		{"inside a request, and nothing of the server", []step{{c, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", 6}, {c, "i", 0}},
			"! http1: a request is not whole in the capture, which has nothing of the server: POST /p\n"},
		{"past the end of a body", []step{{c, ask, 0}, {s, ok + "ab", 60}, {s, "tail of something\r\n" + ok + "0123456789", 0}},
			"GET /1 200 0/10 response_gap\n  200 0/10 no_request\n"},
		{"an answer's head", []step{{c, ask, 0}, {s, "", 100}, {c, strings.Replace(ask, "/1", "/2", 1), 0}, {s, "tail\r\n" + ok + "0123456789", 0}},
			"GET /1 0 0/0 unanswered response_gap no_response\nGET /2 200 0/10\n"},
		{"half of an answer's head", []step{{c, ask, 0}, {s, "HTTP/1.1 200 OK\r\nContent-Le", 100}, {c, ask, 0}, {s, ok + "0123456789", 0}},
			"GET /1 200 0/0 response_gap body_cut\nGET /1 200 0/10\n"},
		{"an answer's head from its first line on", []step{{c, ask, 0}, {s, "HTTP/1.1 2", 100}, {c, strings.Replace(ask, "/1", "/2", 1), 0}, {s, "tail\r\n" + ok + "0123456789", 0}},
			"GET /1 0 0/0 unanswered response_gap no_response\nGET /2 200 0/10\n"},
		{"twice", []step{{c, ask, 0}, {s, ok, 0}, {s, "ab", 100}, {s, "lost", 0}, {c, ask, 0}, {s, "", 50}, {c, strings.Replace(ask, "/1", "/2", 1), 0}, {s, ok + "0123456789", 0}},
			"GET /1 200 0/10 response_gap\nGET /1 0 0/0 unanswered response_gap no_response\nGET /2 200 0/10\n"},
		{"an answer older than the request", []step{{s, "HTTP/1.1 408 Late\r\nX", 0}, {c, ask, 0}, {s, ": y\r\nContent-Length: 0\r\n\r\n" + ok + "0123456789", 0}},
			"  408 0/0 no_request\nGET /1 200 0/10\n"},
		{"half of a request's head", []step{{c, "GET /1 HTTP/1.1\r\nHos", 30}, {s, ok + "0123456789", 0}, {c, ask, 0}, {s, ok + "0123456789", 0}},
			"GET /1 200 0/10 request_gap body_cut\nGET /1 200 0/10\n"},
	} {
		t.Run(k.name, func(t *testing.T) {
			t1, r, at := fresh(), new(testkit.Recorder), int64(1)
			for _, st := range k.steps {
				at++
				_ = t1.Feed(st.d, at, []byte(st.s), r)
				if st.n > 0 {
					t1.Gap(st.d, at, st.n, r)
				}
			}
			t1.Close(at+1, r)
			if got := brief(r); got != k.want {
				t.Errorf("got\n%swant\n%s", got, k.want)
			}
		})
	}
}

// Sequence numbers are those of the first byte of each message, however its
// head was cut, also for one found again after junk.
func TestSequenceNumbers(t *testing.T) {
	client := "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\x01junk\n\x02junk GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"
	server := strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 3)
	for chunk := 1; chunk <= len(client)+1; chunk++ {
		var fed [2]uint32
		d := with(decode.Conn{Limits: decode.DefaultLimits(), Position: func(d event.Dir, off int) uint32 {
			return 1000*(1+uint32(d)) + fed[d] + uint32(off)
		}})
		r := new(testkit.Recorder)
		for dir, text := range []string{client, server} {
			for at := 0; at < len(text); at += chunk {
				piece := []byte(text[at:min(len(text), at+chunk)])
				_ = d.Feed(event.Dir(dir), 1, piece, r)
				fed[dir] += uint32(len(piece))
			}
		}
		d.Close(2, r)
		if len(r.Exchanges) != 3 {
			t.Fatalf("chunk %d: %s", chunk, brief(r))
		}
		for i, path := range []string{"/1", "/2", "/3"} {
			x := &r.Exchanges[i]
			if x.HTTP.Path != path || x.RequestSeq != 1000+uint32(strings.Index(client, "GET "+path)) || x.ResponseSeq != 2000+uint32(i*len(server)/3) {
				t.Errorf("chunk %d: %s at %d, answer at %d", chunk, x.HTTP.Path, x.RequestSeq, x.ResponseSeq)
			}
		}
	}
}

// The requests over the limit are told at once; those under it keep their answers.
func TestPendingIsBounded(t *testing.T) {
	lim := decode.DefaultLimits()
	lim.Pending = 2
	d := with(decode.Conn{Limits: lim})
	got := brief(testkit.Play(d, 0, request("/1"), request("/2"), testkit.C("POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), request("/4"),
		reply("200 OK", "1"), reply("200 OK", "22"), reply("200 OK", "333")))
	const want = "POST /3 0 0/0 unanswered no_response\nGET /4 0 0/0 unanswered no_response\nGET /1 200 0/1\nGET /2 200 0/2\n  200 0/3 no_request\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// However long a stream in which nothing can be read, little of it is kept.
func TestMemoryIsBounded(t *testing.T) {
	for _, line := range []string{"x", "GET /x", "HTTP/1.1 200 OK\r\nX: y\r\n", "GET / HTTP/1.1\r\nX: y\r\n"} {
		d := fresh().(*conn)
		for range 40_000 {
			_ = d.Feed(event.ToServer, 1, []byte(line), new(nobody))
			_ = d.Feed(event.ToClient, 1, []byte(line), new(nobody))
		}
		for dir := range d.half {
			if n := cap(d.half[dir].buf); n > 5*d.c.Limits.Head {
				t.Errorf("%q, direction %d: %d bytes kept", line, dir, n)
			}
		}
	}
}
