package desync

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/pitot-io/pitot/internal/config"
)

// frame is one that a host of HTTP/2 sends in answer to a request.
type frame struct {
	fields []string // of HEADERS: names and values, in turn
	data   string   // of DATA
	end    bool     // of the stream
	resets bool     // RST_STREAM
	waits  bool     // for the client to have seen something
}

// fields, ends, data and last make frames: HEADERS and DATA, without and with
// the end of the stream.
func fields(pairs ...string) frame { return frame{fields: pairs} }
func ends(pairs ...string) frame   { return frame{fields: pairs, end: true} }
func data(text string) frame       { return frame{data: text} }
func lastData(text string) frame   { return frame{data: text, end: true} }

var reset, seen = frame{resets: true}, frame{waits: true}

// answered2 is what a host of HTTP/2 answers to the first of two requests of a
// client of HTTP/1.1, and what the client gets for it.
type answered2 struct {
	name   string
	method string // GET by default
	frames []frame
	status int
	detail string
	got    string // of an answer that is passed on
	cut    bool   // the client's connection is reset within it, and no answer follows
}

func malformedAnswer(name string, frames ...frame) answered2 {
	return answered2{name: name, frames: frames, status: 502, detail: "http2.protocol_error"}
}

func passedOn(name, got string, frames ...frame) answered2 {
	return answered2{name: name, frames: frames, status: 200, got: got}
}

func (a answered2) to(method string) answered2 { a.method = method; return a }
func (a answered2) with(status int) answered2  { a.status = status; return a }

// broken is an answer that breaks off after its head has gone on.
func (a answered2) broken(detail string) answered2 {
	a.detail, a.cut = detail, true
	return a
}

// host is one of HTTP/2 that answers every stream with frames, and a request for
// /second in order.
type host struct {
	addr string

	mu     sync.Mutex
	frames []frame
	seen   chan struct{} // closed when the client has seen something
}

func newHost(t *testing.T) *host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{addr: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { h.serve(c); c.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return h
}

// answer has the host answer so; the client is to call what it gets.
func (h *host) answer(frames []frame) (seen func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	came := make(chan struct{})
	h.frames, h.seen = frames, came
	return sync.OnceFunc(func() { close(came) })
}

func (h *host) script() ([]frame, chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.frames, h.seen
}

// second2 is the answer that a client of pitot gets then.
const second2 = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond"

var secondFrames = []frame{fields(":status", "200", "content-length", "6"), lastData("second")}

func (h *host) serve(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(patience))
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	f := http2.NewFramer(c, c)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if f.WriteSettings() != nil {
		return
	}
	for {
		x, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch x := x.(type) {
		case *http2.SettingsFrame:
			if !x.IsAck() && f.WriteSettingsAck() != nil {
				return
			}
		case *http2.PingFrame:
			if !x.IsAck() && f.WritePing(true, x.Data) != nil {
				return
			}
		case *http2.MetaHeadersFrame:
			frames, seen := h.script()
			if x.PseudoValue("path") == "/second" {
				frames = secondFrames
			}
			if say(c, x.StreamID, frames, seen) != nil {
				return
			}
		}
	}
}

// say writes frames, at once up to one that waits.
func say(c net.Conn, stream uint32, frames []frame, seen chan struct{}) error {
	var out bytes.Buffer
	f := http2.NewFramer(&out, nil)
	f.AllowIllegalWrites = true
	for _, x := range frames {
		switch {
		case x.waits:
			if _, err := out.WriteTo(c); err != nil {
				return err
			}
			select {
			case <-seen:
			case <-time.After(part): // a proxy keeps it
			}
		case x.resets:
			_ = f.WriteRSTStream(stream, http2.ErrCodeInternal)
		case x.fields == nil:
			_ = f.WriteData(stream, x.end, []byte(x.data))
		default:
			var block bytes.Buffer
			e := hpack.NewEncoder(&block)
			for i := 0; i < len(x.fields); i += 2 { // never indexed: a block is whole by itself
				_ = e.WriteField(hpack.HeaderField{Name: x.fields[i], Value: x.fields[i+1], Sensitive: true})
			}
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: x.end})
		}
	}
	_, err := out.WriteTo(c)
	return err
}

// beforeHost has pitot speak HTTP/2 with a host.
func beforeHost(h *host) func(*front, *config.Config) {
	return func(f *front, c *config.Config) {
		f.host = h
		c.Clusters[0].Endpoints, c.Clusters[0].Protocol = config.Addresses(h.addr), config.HTTP2
	}
}

// What a host of HTTP/2 can say and HTTP/1.1 cannot is a failure of the host
// before it becomes bytes of HTTP/1.1, and nothing in an answer answers the next
// request (RFC 9113, 8.1.1, 8.2 and 10.3).
func TestAnswersOfHTTP2(t *testing.T) {
	t.Parallel()
	peers := startPeers(t, width)
	others := make([][]*front, width)
	if path, err := exec.LookPath("haproxy"); err == nil {
		for i, f := range startPeer(t, path, "haproxy2", width, haproxy2) {
			others[i] = []*front{f}
		}
	}
	var all []*lane
	for i := range width {
		mine := pitot(t, nil, beforeHost(newHost(t)))
		all = append(all, &lane{peers: peers[i], hosts: append([]*front{mine}, others[i]...)})
	}
	spread(t, all, downgradedAnswers(), func(a answered2) string { return a.name }, func(t *testing.T, l *lane, a answered2) { a.try(t, l) })
}

func (a answered2) asked() string { return response{method: a.method}.asked() }

func (a answered2) through(f *front) (got string, reset bool) {
	return f.askSeeing(a.asked(), f.host.answer(a.frames))
}

func (a answered2) try(t *testing.T, l *lane) {
	p := l.hosts[0]
	got, reset := a.through(p)
	x := p.span()
	p.forget()
	first, rest := got, ""
	if i := strings.Index(got, second2); i >= 0 {
		first, rest = got[:i], got[i:]
	}
	codes, bodies := answered(got, a.method)
	t.Logf("%-8s %v", p.name, bodies)
	switch {
	case a.got == "" && (len(codes) == 0 || codes[0] != a.status || a.method != "HEAD" && !strings.Contains(got, "pitot: "+a.detail)):
		t.Errorf("%v comes to the client as %q, want %d %s", a.frames, cut(got), a.status, a.detail)
	case a.got != "" && (first != a.got || reset != a.cut):
		t.Errorf("%v comes to the client as %q, reset %v, want %q", a.frames, cut(first), reset, cut(a.got))
	}
	if a.cut == (rest == second2) {
		t.Errorf("behind the answer stands %q", rest)
	}
	if strings.Contains(got, "forged") {
		t.Errorf("the client got what the host hid: %q", got)
	}
	if x.StatusMessage != a.detail {
		t.Errorf("told as %q with flags %q, want %q", x.StatusMessage, x.Flags, a.detail)
	}
	a.agree(t, l, bodies, first)
}

// agree compares what the client reads with what it reads through HAProxy, which
// alone of the peers speaks HTTP/2 with hosts. Where they differ, pitot's
// version, from a host of HTTP/1.1, must be one that all peers pass on.
func (a answered2) agree(t *testing.T, l *lane, mine []string, version string) {
	t.Helper()
	differ := false
	for _, p := range l.hosts[1:] {
		got, _ := a.through(p)
		_, theirs := answered(got, a.method)
		t.Logf("%-8s %v", p.name, theirs)
		differ = differ || fmt.Sprint(mine) != fmt.Sprint(theirs)
	}
	if differ {
		response{method: a.method, got: a.got, cut: a.cut}.stands(t, l.peers, mine, version)
	}
}

// downgradedAnswers is the table of TestAnswersOfHTTP2.
func downgradedAnswers() []answered2 {
	const (
		injected = "x\r\n\r\n" + forged
		broke    = "http2.protocol_error"
		said     = "content-length: 5\r\n"
	)
	good := fields(":status", "200", "content-length", "5")
	open := fields(":status", "200")
	with := func(more ...string) []frame {
		return []frame{fields(append([]string{":status", "200"}, more...)...), lastData("hello")}
	}
	bad := func(name string, more ...string) answered2 { return malformedAnswer(name, with(more...)...) }
	return []answered2{
		passedOn("length", ok+said+end+"hello", good, lastData("hello")),
		passedOn("no length", ok+lowered+end+"5\r\nhello\r\n"+empty, open, lastData("hello")),
		passedOn("pieces", ok+said+end+"hello", good, data("he"), data("llo"), lastData("")),
		passedOn("head alone", ok+"content-length: 0\r\n\r\n", ends(":status", "200")),
		passedOn("length of nothing", ok+"content-length: 0\r\n\r\n", ends(":status", "200", "content-length", "0")),
		passedOn("empty data", ok+"content-length: 0\r\n\r\n", open, lastData("")),
		passedOn("same length twice", ok+said+said+end+"hello", fields(":status", "200", "content-length", "5", "content-length", "5"), lastData("hello")),
		passedOn("cookies", ok+"set-cookie: a=b\r\nset-cookie: c=d\r\n"+said+end+"hello",
			fields(":status", "200", "set-cookie", "a=b", "set-cookie", "c=d", "content-length", "5"), lastData("hello")),
		passedOn("unknown status", "HTTP/1.1 299 \r\n"+said+end+"hello", fields(":status", "299", "content-length", "5"), lastData("hello")).with(299),
		passedOn("bytes beyond ASCII", ok+"a: \xff\xc3\xa4\r\n"+said+end+"hello", fields(":status", "200", "a", "\xff\xc3\xa4", "content-length", "5"), lastData("hello")),

		malformedAnswer("shorter than said", good, lastData("hell")),
		malformedAnswer("longer than said", good, lastData("hello"+forged)),
		malformedAnswer("longer than nothing", fields(":status", "200", "content-length", "0"), lastData(forged)),
		malformedAnswer("nothing where some was said", ends(":status", "200", "content-length", "5")),
		malformedAnswer("two lengths", fields(":status", "200", "content-length", "5", "content-length", "6"), lastData("hello")),
		bad("list of lengths", "content-length", "5, 5"),
		bad("length with plus", "content-length", "+5"),
		bad("length with minus", "content-length", "-5"),
		bad("length in hex", "content-length", "0x5"),
		bad("empty length", "content-length", ""),
		bad("length beyond everything", "content-length", "99999999999999999999"),

		bad("transfer-encoding", "transfer-encoding", "chunked"),
		bad("transfer-encoding and length", "transfer-encoding", "chunked", "content-length", "5"),
		bad("transfer-encoding of another kind", "transfer-encoding", "identity"),
		bad("connection", "connection", "close"),
		bad("keep-alive", "keep-alive", "timeout=5"),
		bad("proxy-connection", "proxy-connection", "keep-alive"),
		bad("upgrade", "upgrade", "websocket"),

		bad("CR and LF in a value", "a", injected),
		bad("LF in a value", "a", "b\nc: d"),
		bad("CR in a value", "a", "b\rc: d"),
		bad("NUL in a value", "a", "b\x00c"),
		bad("LF at the end of a value", "a", "b\n"),
		bad("control character in a value", "a", "b\x01"),
		bad("space before a value", "a", " b"),
		bad("tab behind a value", "a", "b\t"),
		bad("CR and LF in a cookie", "set-cookie", injected),
		bad("CR and LF in a location", "location", "/\r\nset-cookie: a=b"),
		bad("LF in a name", "a: b\nc", "d"),
		bad("colon in a name", "content-length: 0\r\na", "b"),
		bad("space in a name", "content-length ", "0"),
		bad("NUL in a name", "a\x00", "b"),
		bad("capitals in a name", "Content-Length", "5"),
		bad("capitals in a forbidden name", "Transfer-Encoding", "chunked"),
		bad("empty name", "", "b"),
		bad("name beyond ASCII", "\u00e4", "b"),

		malformedAnswer("no status", fields("a", "b"), lastData("hello")),
		bad("two statuses", ":status", "204"),
		bad("pseudo-field of requests", ":path", "/"),
		bad("unknown pseudo-field", ":reason", "OK"),
		malformedAnswer("pseudo-field behind a field", fields("a", "b", ":status", "200"), lastData("hello")),
		malformedAnswer("status with a reason", fields(":status", "200 OK"), lastData("hello")),
		malformedAnswer("status with a line's end", fields(":status", "200\r\na: b"), lastData("hello")),
		malformedAnswer("status of two digits", fields(":status", "20"), lastData("hello")),
		malformedAnswer("status of four digits", fields(":status", "2000"), lastData("hello")),
		malformedAnswer("status of nothing", fields(":status", "000"), lastData("hello")),
		malformedAnswer("status with plus", fields(":status", "+20"), lastData("hello")),
		malformedAnswer("empty status", fields(":status", ""), lastData("hello")),

		passedOn("interim answers", "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"+ok+said+end+"hello", fields(":status", "103", "link", "a"), good, lastData("hello")),
		passedOn("interim answer with a length", "HTTP/1.1 103 Early Hints\r\n\r\n"+ok+said+end+"hello", fields(":status", "103", "content-length", "48"), good, lastData("hello")),
		malformedAnswer("interim answer that ends it", ends(":status", "103")),
		malformedAnswer("interim answer with data", fields(":status", "103"), lastData("hello")),
		malformedAnswer("interim answer with CR and LF", fields(":status", "103", "a", injected), good, lastData("hello")),
		malformedAnswer("interim answer with a coding", fields(":status", "103", "transfer-encoding", "chunked"), good, lastData("hello")),
		malformedAnswer("switching protocols", fields(":status", "101"), lastData(forged)),
		malformedAnswer("switching protocols first", fields(":status", "101"), good, lastData("hello")),

		passedOn("204", "HTTP/1.1 204 No Content\r\n\r\n", ends(":status", "204")).with(204),
		passedOn("204 with a length", "HTTP/1.1 204 No Content\r\n\r\n", ends(":status", "204", "content-length", "0")).with(204),
		malformedAnswer("204 with data", fields(":status", "204"), lastData(forged)),
		passedOn("304", "HTTP/1.1 304 Not Modified\r\ncontent-length: 48\r\n\r\n", ends(":status", "304", "content-length", "48")).with(304),
		malformedAnswer("304 with data", fields(":status", "304", "content-length", "48"), lastData(forged)),
		passedOn("HEAD", ok+"content-length: 48\r\n\r\n", ends(":status", "200", "content-length", "48")).to("HEAD"),
		malformedAnswer("HEAD with data", fields(":status", "200", "content-length", "48"), lastData(forged)).to("HEAD"),

		passedOn("trailers", ok+lowered+end+"5\r\nhello\r\n0\r\nx-t: a\r\n\r\n", open, data("hello"), ends("x-t", "a")),
		passedOn("trailers that are announced", ok+"trailer: x-t\r\n"+lowered+end+"5\r\nhello\r\n0\r\nx-t: a\r\n\r\n",
			fields(":status", "200", "content-length", "5", "trailer", "x-t"), data("hello"), ends("x-t", "a")),
		passedOn("trailers behind a length", ok+said+end+"hello", good, data("hello"), ends("x-t", "a")),
		passedOn("trailer that frames", ok+lowered+end+"5\r\nhello\r\n0\r\nx-t: a\r\n\r\n", open, data("hello"), ends("content-length", "48", "x-t", "a", "host", "y", "trailer", "x-u")),
		malformedAnswer("trailer of a connection", open, data("hello"), ends("transfer-encoding", "chunked")),
		malformedAnswer("trailer with CR and LF", open, data("hello"), ends("x-t", injected)),
		malformedAnswer("trailer with a pseudo-field", open, data("hello"), ends(":status", "200")),
		malformedAnswer("trailers that do not end it", open, data("hello"), fields("x-t", "a"), lastData(forged)),
		malformedAnswer("trailers before all was sent", good, data("hell"), ends("x-t", "a")),

		passedOn("too little, late", ok+said+end+"he", good, data("he"), seen, lastData("l")).broken(broke),
		passedOn("too much, late", ok+said+end+"he", good, data("he"), seen, lastData("llo"+forged)).broken(broke),
		passedOn("bad trailer, late", ok+lowered+end+"2\r\nhe\r\n", open, data("he"), seen, ends("x-t", injected)).broken(broke),
		passedOn("reset, late", ok+lowered+end+"2\r\nhe\r\n", open, data("he"), seen, reset).broken("upstream_reset_after_response_started{remote_reset}"),
		{name: "reset", frames: []frame{reset}, status: 503, detail: "upstream_reset_before_response_started{remote_reset}"},
	}
}
