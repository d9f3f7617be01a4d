package http1

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// maker puts together conversations of odd but readable messages, and knows
// what is to be told of them.
type maker struct {
	*rand.Rand
	client, server strings.Builder
	want           []string
}

func (m *maker) pick(of ...string) string { return of[m.IntN(len(of))] }

// eol is how this message ends its lines: all in the same way, since a mixture
// is ambiguous.
func (m *maker) eol() string { return m.pick("\r\n", "\r\n", "\n") }

func (m *maker) exchange(n int) {
	method := m.pick("GET", "POST", "HEAD", "PURGE", "QUERY", "M-SEARCH", "x")
	path := fmt.Sprintf("/%d%s", n, m.pick("", "/\xff\x80", "/a;b", "/%00", "/'\"<>"))
	end := m.eol()
	m.client.WriteString(strings.Repeat(end, m.IntN(3)))
	m.client.WriteString(method + m.pick(" ", "  ") + path + m.pick("", "?q=1") + m.pick(" ", "\t", "  ") + m.pick("HTTP/1.1", "HTTP/1.0", "http/1.1", "HTTP/1.2") + m.pick("", " ") + end)
	m.client.WriteString("Host:" + m.pick("", " ", "\t ") + "a" + m.pick("", " ") + end)
	m.client.WriteString(m.pick("", "X-Long: "+strings.Repeat("y", m.IntN(300))+end, "X-Empty:"+end, "X-Bytes: \xe9\xff"+end))
	requestBody := 0
	if method == "POST" || method == "QUERY" {
		requestBody = m.body(&m.client, end, false)
	} else {
		m.client.WriteString(end)
	}
	status, responseBody := m.answer(method)
	m.want = append(m.want, fmt.Sprintf("%s %s %d %d/%d", method, path, status, requestBody, responseBody))
}

func (m *maker) answer(method string) (status, size int) {
	end := m.eol()
	for range m.IntN(3) {
		m.server.WriteString(m.pick("HTTP/1.1 100 Continue", "HTTP/1.1 103 Early Hints", "HTTP/1.1 102 ") + end + m.pick("", "Link: </x>"+end) + end)
	}
	status = []int{200, 404, 301, 204, 304, 999}[m.IntN(6)]
	m.server.WriteString(m.pick("HTTP/1.1", "HTTP/1.0", "http/1.1") + m.pick(" ", "  ") + fmt.Sprint(status) + m.pick("", " ", " OK", " \xe9t\xe9") + end)
	m.server.WriteString(m.pick("", "Server: x"+end, "Set-Cookie: a=b"+end+"Set-Cookie: c=d"+end))
	switch {
	case status == 204:
		m.server.WriteString(m.pick("", "Content-Length: 0"+end) + end)
	case method == "HEAD" || status == 304:
		m.server.WriteString(m.pick("", "Content-Length: 99"+end, "Transfer-Encoding: chunked"+end) + end)
	default:
		size = m.body(&m.server, end, true)
	}
	return status, size
}

// body ends the head and writes a body, in chunks where both sides may be of
// HTTP/1.1: which they are told to be here by chance, so it is not compared.
func (m *maker) body(to *strings.Builder, end string, response bool) (size int) {
	if m.IntN(2) == 0 {
		size = m.IntN(40)
		to.WriteString(m.pick("Content-Length: ", "content-length:", "CONTENT-LENGTH: 0") + fmt.Sprint(size) + end + end)
		to.WriteString(strings.Repeat("HTTP/1.1 200 OK\r\n\r\nGET / HTTP/1.1\r\n\r\n", 2)[:size])
		return size
	}
	to.WriteString("Transfer-Encoding:" + m.pick(" chunked", " Chunked", "\tchunked ") + end + end)
	for range m.IntN(4) {
		n := 1 + m.IntN(20)
		size += n
		fmt.Fprintf(to, "%s%x%s\r\n%s\r\n", m.pick("", "000"), n, m.pick("", ";a", ";a=b", ` ;a="b;c"`), strings.Repeat("0\r\n\r\nHTTP/1.1 200 OK\r\n", 2)[:n])
	}
	to.WriteString(m.pick("0", "000", "0;x") + "\r\n" + m.pick("", "Sum: 1\r\n", "Sum: 1\r\nMore: 2\r\n") + "\r\n")
	return size
}

// However odd the shape and wherever it is cut, every exchange is told, with the
// right sizes and in order.
func TestGeneratedShapes(t *testing.T) {
	for seed := range uint64(400) {
		m := &maker{Rand: rand.New(rand.NewPCG(seed, 1))}
		for n := range 1 + m.IntN(6) {
			m.exchange(n)
		}
		want := strings.Join(m.want, "\n") + "\n"
		for _, chunk := range []int{0, 1, 2 + m.IntN(60)} {
			r := testkit.Play(fresh(), chunk, testkit.C(m.client.String()), testkit.S(m.server.String()))
			if got := told(r); got != want {
				t.Fatalf("seed %d, chunk %d: got\n%swant\n%s%q\n%q", seed, chunk, got, want, m.client.String(), m.server.String())
			}
		}
	}
}

// told is brief without errors, flags and notices.
func told(r *testkit.Recorder) string {
	var b strings.Builder
	for i := range r.Exchanges {
		h := r.Exchanges[i].HTTP
		fmt.Fprintf(&b, "%s %s %d %d/%d\n", h.Method, h.Path, h.StatusCode, h.RequestBody, h.ResponseBody)
	}
	return b.String()
}

// A hole anywhere in one exchange of many costs no other one.
func TestAHoleCostsWhatItTouches(t *testing.T) {
	const n, ask, answer = 20, "GET /%02d HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
	for hole := range len(answer) {
		for size := 1; size <= len(answer)-hole; size += 7 {
			d, r := with(decode.Conn{Limits: decode.DefaultLimits()}), new(testkit.Recorder)
			for i := range n {
				at := int64(10 * (i + 1))
				_ = d.Feed(event.ToServer, at, fmt.Appendf(nil, ask, i), r)
				if i != 7 {
					_ = d.Feed(event.ToClient, at+1, []byte(answer), r)
					continue
				}
				_ = d.Feed(event.ToClient, at+1, []byte(answer[:hole]), r)
				d.Gap(event.ToClient, at+2, int64(size), r)
				_ = d.Feed(event.ToClient, at+3, []byte(answer[hole+size:]), r)
			}
			d.Close(1000, r)
			good := 0
			for i := range r.Exchanges {
				x := &r.Exchanges[i]
				whole := x.HTTP.StatusCode == 200 && x.HTTP.ResponseBody == 10
				if whole && x.Decode&^event.ResponseGap == 0 {
					good++
				}
				if x.HTTP.Path == "/07" && x.Decode&event.ResponseGap == 0 || x.HTTP.Path != "/07" && (!whole || x.Decode != 0) {
					t.Fatalf("hole of %d at %d: %s", size, hole, x.AppendJSON(nil))
				}
			}
			if len(r.Exchanges) != n || good < n-1 {
				t.Fatalf("hole of %d at %d: %d exchanges, %d of them good\n%s", size, hole, len(r.Exchanges), good, brief(r))
			}
		}
	}
}
