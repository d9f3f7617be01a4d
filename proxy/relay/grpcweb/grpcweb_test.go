package grpcweb

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// page is a client's codec whose request is given and whose answer is kept.
type page struct {
	relay.Client
	head   http1.Head
	body   [][]byte
	answer http1.Head
	sent   bytes.Buffer
	ended  bool
}

func (p *page) Request() *http1.Head { return &p.head }
func (p *page) Ready() (int, bool) {
	n := 0
	for _, b := range p.body {
		n += len(b)
	}
	return n, true
}

func (p *page) Next() ([]byte, error) {
	if len(p.body) == 0 {
		return nil, io.EOF
	}
	b := p.body[0]
	p.body = p.body[1:]
	return b, nil
}

func (p *page) Answer(h *http1.Head, _ bool) error { p.answer = *h; return nil }
func (p *page) Write(b []byte) error               { p.sent.Write(b); return nil }
func (p *page) Finish(t []http1.Field) error {
	if len(t) > 0 {
		return errors.New("a client of gRPC-Web reads no trailers")
	}
	p.ended = true
	return nil
}

func asks(kind string, body ...string) *page {
	p := &page{head: http1.Head{Method: []byte("POST"), Framing: http1.Length, Length: 10, ContentLength: 10, Fields: []http1.Field{
		{Name: []byte("Content-Type"), Value: []byte(kind)}, {Name: []byte("content-length"), Value: []byte("10"), ID: http1.ContentLength}}}}
	for _, b := range body {
		p.body = append(p.body, []byte(b))
	}
	return p
}

func TestOthersPassAsTheyAre(t *testing.T) {
	for _, kind := range []string{"", "application/grpc", "application/json", "application/grpc-webby"} {
		if p := asks(kind); Wrap(p) != relay.Client(p) {
			t.Errorf("%q is taken for gRPC-Web", kind)
		}
	}
	p := asks("application/grpc-web")
	if p.head.Method = []byte("OPTIONS"); Wrap(p) != relay.Client(p) {
		t.Error("a preflight is taken for a call")
	}
}

func TestTheServerSeesACallOfGRPC(t *testing.T) {
	for kind, want := range map[string]string{"application/grpc-web": "application/grpc", "application/grpc-web+proto": "application/grpc+proto",
		"Application/gRPC-Web-Text+proto": "application/grpc+proto"} {
		c := Wrap(asks(kind))
		h := c.Request()
		if got := string(h.Get("content-type")); got != want {
			t.Errorf("%s: the server gets %q, want %q", kind, got, want)
		}
		if string(h.Get("te")) != "trailers" || h.Get("content-length") != nil {
			t.Errorf("%s: fields %v", kind, h.Fields)
		}
	}
}

func TestTrailersAreTheLastFrame(t *testing.T) {
	p := asks("application/grpc-web+proto")
	c := Wrap(p)
	h := &http1.Head{Status: 200, Fields: []http1.Field{{Name: []byte("content-type"), Value: []byte("application/grpc+proto")}}}
	message := "\x00\x00\x00\x00\x02hi"
	if err := errors.Join(c.Answer(h, false), c.Write([]byte(message)),
		c.Finish([]http1.Field{{Name: []byte("Grpc-Status"), Value: []byte("0")}, {Name: []byte("x-cost"), Value: []byte("3")}})); err != nil {
		t.Fatal(err)
	}
	const lines = "grpc-status: 0\r\nx-cost: 3\r\n"
	if want := message + "\x80\x00\x00\x00" + string(rune(len(lines))) + lines; p.sent.String() != want || !p.ended {
		t.Errorf("the client got %q, want %q", p.sent.String(), want)
	}
	if got := string(p.answer.Get("content-type")); got != "application/grpc-web+proto" {
		t.Errorf("content type %q", got)
	}
	if got := string(h.Fields[0].Value); got != "application/grpc+proto" {
		t.Errorf("the exchange's own head was changed to %q", got)
	}
}

// Text comes in any pieces, padded after every message or only at the end.
func TestTextIsDecodedHoweverItIsCut(t *testing.T) {
	message := strings.Repeat("\x00\x00\x00\x00\x05hello", 3) + "\x00\x00\x00\x00\x00"
	padded := base64.StdEncoding.EncodeToString([]byte(message[:10])) + base64.StdEncoding.EncodeToString([]byte(message[10:]))
	for _, text := range []string{base64.StdEncoding.EncodeToString([]byte(message)), padded} {
		for i := range len(text) + 1 {
			for j := i; j <= len(text); j++ {
				c := Wrap(asks("application/grpc-web-text", text[:i], text[i:j], text[j:]))
				if got, err := read(c); got != message || err != nil {
					t.Fatalf("cut at %d and %d: %q, %v", i, j, got, err)
				}
			}
		}
	}
}

func read(c relay.Client) (string, error) {
	var all []byte
	for {
		b, err := c.Next()
		if err == io.EOF {
			return string(all), nil
		}
		if err != nil {
			return string(all), err
		}
		all = append(all, b...)
	}
}

func TestBadTextIsRefused(t *testing.T) {
	for _, text := range []string{"A", "AAA", "AAAA*AAA", "====", "AA=A", "AAAAA==="} {
		var e *http1.Error
		if _, err := read(Wrap(asks("application/grpc-web-text", text))); !errors.As(err, &e) || e.Status != 400 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTextGoesBackAsText(t *testing.T) {
	p := asks("application/grpc-web-text")
	c := Wrap(p)
	h := &http1.Head{Status: 200, Fields: []http1.Field{{Name: []byte("content-type"), Value: []byte("application/grpc")}}}
	if err := errors.Join(c.Answer(h, false), c.Write([]byte("\x00\x00\x00\x00\x01a")), c.Finish(nil)); err != nil {
		t.Fatal(err)
	}
	var d decoder
	got, err := d.decode(p.sent.Bytes())
	if string(got) != "\x00\x00\x00\x00\x01a\x80\x00\x00\x00\x00" || err != nil {
		t.Errorf("the client reads %q, %v", got, err)
	}
	if got := string(p.answer.Get("content-type")); got != "application/grpc-web-text" {
		t.Errorf("content type %q", got)
	}
}

// FuzzText holds that cuts do not matter, and that what decodes is what an
// ordinary decoder makes of it where that takes it.
func FuzzText(f *testing.F) {
	f.Add([]byte("AAAAAAE="), uint64(1))
	f.Add([]byte("AA==AAAA"), uint64(2))
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		whole, wholeErr := read(Wrap(asks("application/grpc-web-text", string(text))))
		r := rand.New(rand.NewPCG(seed, 1))
		var pieces []string
		for rest := string(text); rest != ""; {
			n := 1 + r.IntN(len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		got, err := read(Wrap(asks("application/grpc-web-text", pieces...)))
		if wholeErr == nil && (got != whole || err != nil) || wholeErr != nil && err == nil {
			t.Fatalf("%q in one: %q, %v; in %d pieces: %q, %v", text, whole, wholeErr, len(pieces), got, err)
		}
		if want, stdErr := base64.StdEncoding.DecodeString(string(text)); stdErr == nil && !bytes.ContainsAny(text, "\r\n") && whole != string(want) {
			t.Fatalf("%q: %q, want %q", text, whole, want)
		}
	})
}
