package desync

import (
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// request is what a client sends, and what becomes of it.
type request struct {
	name   string
	send   string
	status int
	detail string // of a refusal; empty where the request is passed on
	sent   string // what the upstream gets, without the fields that pitot adds
}

// Parts of requests.
const (
	get     = "GET /g HTTP/1.1\r\nHost: x\r\n"
	post    = "POST /p HTTP/1.1\r\nHost: x\r\n"
	chunks  = "Transfer-Encoding: chunked\r\n"
	length  = "Content-Length: 5\r\n"
	end     = "\r\n"
	empty   = "0\r\n\r\n"
	hidden  = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n" // what a smuggler would like somebody to see
	lowered = "transfer-encoding: chunked\r\n"
)

// refused and forwarded make requests.
func refused(name, send string, status int, detail string) request {
	return request{name: name, send: send, status: status, detail: detail}
}

func forwarded(name, send, sent string) request {
	return request{name: name, send: send, status: 200, sent: sent}
}

func testRequests(t *testing.T, all []request) {
	lanes(t, all, func(r request) string { return r.name }, func(t *testing.T, l *lane, r request) { r.try(t, l) })
}

func (r request) try(t *testing.T, l *lane) {
	var sent string
	for _, p := range l.pitots {
		sent = r.through(t, p)
	}
	agree(t, l.peers, r.send, sent)
}

// through is what the upstream of p gets of r.
func (r request) through(t *testing.T, p *front) string {
	t.Helper()
	got, _ := p.ask(r.send)
	sent := plain(p.origin.took())
	codes, _ := answered(got, strings.SplitN(r.send, " ", 2)[0])
	t.Logf("%-8s %v, passed on %q", p.name, codes, passed(sent))
	if len(codes) == 0 || codes[0] != r.status || strings.Contains(got, "(still open)") {
		t.Errorf("%s: %q is answered %q, want %d", p.name, cut(r.send), cut(got), r.status)
	}
	if sent != r.sent && !(p.tls != nil && rechunked(sent, r.sent)) {
		t.Errorf("%s: the upstream got %q, want %q", p.name, cut(sent), cut(r.sent))
	}
	x := p.span()
	p.forget()
	if x.StatusMessage != r.detail || r.detail != "" && len(codes) != 1 {
		t.Errorf("%s: told as %q with flags %q, want %q; answers %v", p.name, x.StatusMessage, x.Flags, r.detail, codes)
	}
	if want := strings.Contains(r.detail, "http1.") || r.detail == "missing_host_header"; (x.Flags == event.FlagDPE) != want {
		t.Errorf("%s: flags %q of %q", p.name, x.Flags, r.detail)
	}
	return sent
}

// rechunked reports whether two texts hold the same messages in other chunks:
// the engine of TLS and HTTP/2 makes its own. It sends a head before it has
// seen the first chunk, which then may prove wrong.
func rechunked(a, b string) bool {
	head := func(s string) string { h, _, _ := strings.Cut(s, "\r\n\r\n"); return h }
	return same(passed(a), passed(b)) && (b == "" || head(a) == head(b))
}

// cut makes long bytes fit for a message.
func cut(s string) string {
	if len(s) > 400 {
		return s[:200] + "..." + s[len(s)-100:]
	}
	return s
}
