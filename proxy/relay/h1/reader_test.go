package h1

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
)

// pieces gives a message in pieces that end at cuts, then the end.
type pieces struct {
	b    []byte
	cuts []int
	at   int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.at == len(p.b) {
		return 0, io.EOF
	}
	end := len(p.b)
	for _, c := range p.cuts {
		if c > p.at && c < end {
			end = c
		}
	}
	n := copy(b, p.b[p.at:end])
	p.at += n
	return n, nil
}

// told is what a reader makes of a request and what follows it.
func told(b []byte, cuts ...int) string {
	pool := newBuffers()
	r := reader{from: &pieces{b: b, cuts: cuts}, pool: pool, limits: withDefaults(decode.Limits{})}
	var h http1.Head
	var out bytes.Buffer
	for {
		n, err := 0, error(nil)
		if !r.empty() {
			n, err = h.ParseRequest(r.buf[r.r:r.w], http1.Strict, r.limits)
		}
		if n == 0 && err == nil {
			if err = r.fill(); err == nil {
				continue
			}
		}
		if err != nil { // how much of a bad head is looked at before it is whole depends on the cuts
			return out.String() + "no more"
		}
		r.begin(n, h.Framing, h.Length)
		fmt.Fprintf(&out, "%s %s [", h.Method, h.Target)
		for {
			waiting, end := r.Ready()
			piece, err := r.Next()
			if waiting != 0 && waiting != len(piece) || end && waiting == 0 && err != io.EOF {
				return fmt.Sprintf("Ready told %d %v, Next %d %v", waiting, end, len(piece), err)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return fmt.Sprint(out.String(), err)
			}
			out.Write(piece)
		}
		fmt.Fprintf(&out, "] %s %s %d\n", h.Method, h.Get("x-head"), r.received)
		for _, f := range r.Trailers() {
			fmt.Fprintf(&out, "%s=%s\n", f.Name, f.Value)
		}
		r.next()
		h.Reset()
	}
}

const talk = "POST /a HTTP/1.1\r\nHost: x\r\nX-Head: kept\r\nTransfer-Encoding: chunked\r\n\r\n" +
	"3\r\nabc\r\n10;ext=1\r\n0123456789abcdef\r\n1\r\nz\r\n0\r\nX-Sum: 20\r\nX-More: yes\r\n\r\n" +
	"PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" +
	"GET /c HTTP/1.1\r\nHost: x\r\nX-Head: last\r\n\r\n"

// However a connection's bytes are cut, the same requests come out.
func TestReaderTakesEverySplit(t *testing.T) {
	whole := told([]byte(talk))
	if want := "POST /a [abc0123456789abcdefz] POST kept"; len(whole) < len(want) || whole[:len(want)] != want {
		t.Fatalf("told %q", whole)
	}
	for i := range talk {
		if got := told([]byte(talk), i); got != whole {
			t.Fatalf("cut at %d:\n%s\nwhole:\n%s", i, got, whole)
		}
		for j := i + 1; j < len(talk); j += 7 {
			if got := told([]byte(talk), i, j); got != whole {
				t.Fatalf("cut at %d and %d:\n%s\nwhole:\n%s", i, j, got, whole)
			}
		}
	}
}

// FuzzReader holds that any bytes, cut anywhere, come out as they do whole.
func FuzzReader(f *testing.F) {
	f.Add([]byte(talk), 10, 100)
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 60, 61)
	f.Add([]byte("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n"), 3, 18)
	f.Fuzz(func(t *testing.T, b []byte, i, j int) {
		whole, cut := told(b), told(b, i, j)
		if whole != cut {
			t.Errorf("cut at %d and %d:\n%q\nwhole:\n%q", i, j, cut, whole)
		}
	})
}
