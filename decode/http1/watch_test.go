package http1

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

// details are what was kept of each exchange, in lines.
type details struct {
	testkit.Recorder
	lines []string
}

func (r *details) Exchange(x *event.Exchange) {
	d := x.HTTP.Detail
	if d == nil {
		r.lines = append(r.lines, "nothing")
		return
	}
	r.lines = append(r.lines, fmt.Sprintf("%v %v %q %v %q %v %v", d.RequestHeaders, d.ResponseHeaders, d.RequestBody, d.RequestCut, d.ResponseBody, d.ResponseCut, x.Decode&event.Undecoded != 0))
}

func TestKeep(t *testing.T) {
	post := "POST /login?token=abc HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\ncookie: s=1\r\nX-Api-Key: k\r\nReferer: http://a/?q=1&password=p\r\nContent-Length: 5\r\n\r\nhello"
	chunked := func(coding, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nSet-Cookie: s=2\r\nContent-Encoding: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", coding, len(body), body)
	}
	for _, c := range []struct {
		name           string
		keep           decode.Keep
		client, server string
		want           string
	}{
		{"nothing", decode.Keep{}, post, chunked("identity", "x"), "nothing"},
		{"headers", decode.Keep{Headers: true}, post, chunked("identity", "x"),
			"[{Host a} {Authorization [redacted]} {cookie [redacted]} {X-Api-Key [redacted]} {Referer http://a/?q=1&password=REDACTED} {Content-Length 5}] " +
				`[{Set-Cookie [redacted]} {Content-Encoding identity} {Transfer-Encoding chunked}] "" false "" false false`},
		{"bodies", decode.Keep{Body: 100}, post, chunked("gzip", gzipped("packed")), `[] [] "hello" false "packed" false false`},
		{"bodies over the limit", decode.Keep{Body: 3}, post, chunked("gzip", gzipped(strings.Repeat("abc", 100))), `[] [] "hel" true "abc" true false`},
		{"large bodies over the limit", decode.Keep{Body: 3}, post, chunked("identity", strings.Repeat("abc", 1000)), `[] [] "hel" true "abc" true false`},
		{"unknown coding", decode.Keep{Body: 100}, post, chunked("compress", "zzz"), `[] [] "hello" false "zzz" true true`},
		{"broken coding", decode.Keep{Body: 100}, post, chunked("gzip", "zzz"), `[] [] "hello" false "" true false`},
		{"coding of the transfer", decode.Keep{Body: 100}, post,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(gzipped("te")), gzipped("te")), `[] [] "hello" false "te" false false`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for chunk := range 40 {
				r := new(details)
				d := with(decode.Conn{Limits: decode.DefaultLimits(), Keep: c.keep})
				for dir, text := range []string{c.client, c.server} {
					for len(text) > 0 {
						n := len(text)
						if chunk > 0 {
							n = min(n, chunk)
						}
						_ = d.Feed(event.Dir(dir), 1, []byte(text[:n]), r)
						text = text[n:]
					}
				}
				d.Close(2, r)
				if got := strings.Join(r.lines, "\n"); got != c.want {
					t.Fatalf("chunks of %d: got\n%s\nwant\n%s", chunk, got, c.want)
				}
			}
		})
	}
}

// A gap in a body ends what is kept of it: what comes after the hole does not
// belong to what came before.
func TestKeepStopsAtAGap(t *testing.T) {
	r, d := new(details), with(decode.Conn{Limits: decode.DefaultLimits(), Keep: decode.Keep{Body: 100}})
	_ = d.Feed(event.ToServer, 1, []byte(get), r)
	_ = d.Feed(event.ToClient, 1, []byte("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), r)
	d.Gap(event.ToClient, 2, 4, r)
	_ = d.Feed(event.ToClient, 3, []byte("hij"), r)
	d.Close(4, r)
	if got := strings.Join(r.lines, "\n"); got != `[] [] "" false "abc" true false` {
		t.Error(got)
	}
}

func inspected(msgs *[]string) func(*decode.Message) {
	return func(m *decode.Message) {
		*msgs = append(*msgs, fmt.Sprintf("%v %d+%d %s %s %s", m.Dir, m.Offset, m.Size, m.Protocol, m.Kind, m.Text))
	}
}

// Messages tell where they lie, whatever the cuts, and every byte but framing
// between messages belongs to one.
func TestInspect(t *testing.T) {
	client := "\r\nPOST /1?token=x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + "junk\n" + "GET /2 HTTP/1.1\r\nHost: b:80\r\n\r\n" + upgradeWS + "early"
	server := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\nHTTP/1.0 200 \x01\r\n\r\n"
	want := strings.Join([]string{
		"to_server 2+56 http1 request POST /1?token=REDACTED HTTP/1.1, host a, body of 3 bytes",
		"to_server 58+3 http1 body 3 bytes",
		"to_server 66+31 http1 request GET /2 HTTP/1.1, host b, no body",
		"to_server 97+72 http1 request GET /ws/7 HTTP/1.1, host a, no body",
		"to_client 0+25 http1 response HTTP/1.1 100 Continue, no body",
		"to_client 25+47 http1 response HTTP/1.1 200 OK, body in chunks",
		"to_client 72+19 http1 body 4 bytes in 2 chunks",
		"to_client 91+18 http1 response HTTP/1.0 200 ?, body until the end",
		"to_client 109+200 http1 body 200 bytes",
	}, "\n")
	for chunk := 1; chunk <= len(client); chunk++ {
		var got []string
		d, r := with(decode.Conn{Limits: decode.DefaultLimits(), Inspect: inspected(&got)}), new(testkit.Recorder)
		for dir, text := range []string{client, server + strings.Repeat("x", 100)} {
			for at := 0; at < len(text); at += chunk {
				_ = d.Feed(event.Dir(dir), 1, []byte(text[at:min(len(text), at+chunk)]), r)
			}
		}
		d.Gap(event.ToClient, 2, 100, r)
		d.Close(3, r)
		if s := strings.Join(got, "\n"); s != want {
			t.Fatalf("chunks of %d: got\n%s\nwant\n%s", chunk, s, want)
		}
	}
}

// What the next decoder tells lies where its bytes are on the connection.
func TestInspectAfterHandover(t *testing.T) {
	client := connect + "GET /in HTTP/1.1\r\nHost: a\r\n\r\n"
	server := agreed + "HTTP/1.1 204 No\r\n\r\n"
	for chunk := 1; chunk <= len(client); chunk++ {
		var got []string
		d, r := decode.NewDetector(heirs(), decode.Conn{Limits: decode.DefaultLimits(), Inspect: inspected(&got)}), new(testkit.Recorder)
		for dir, text := range []string{client, server} {
			for at := 0; at < len(text); at += chunk {
				_ = d.Feed(event.Dir(dir), 1, []byte(text[at:min(len(text), at+chunk)]), r)
			}
		}
		d.Close(3, r)
		want := fmt.Sprintf("to_server 0+%d http1 request CONNECT b:443 HTTP/1.1, host b, no body\nto_client 0+%d http1 response HTTP/1.1 200 Connection established, no body\n"+
			"to_server %d+29 http1 request GET /in HTTP/1.1, host a, no body\n"+"to_client %d+19 http1 response HTTP/1.1 204 No, no body", len(connect), len(agreed), len(connect), len(agreed))
		if s := strings.Join(got, "\n"); s != want {
			t.Fatalf("chunks of %d: got\n%s\nwant\n%s", chunk, s, want)
		}
	}
}

// rider is a layer that writes down what it is told.
type rider struct{ log []string }

func (l *rider) Open(c *decode.Conn, request, answer decode.Fields) decode.Call {
	f := request
	if f == nil {
		f = answer
	}
	if v, _ := f.Field("content-type"); v != "application/x" {
		return nil
	}
	k := &ride{layer: l, c: c}
	k.add("open %v", k.fields(request))
	k.add("answer %v", k.fields(answer))
	return k
}

type ride struct {
	layer *rider
	c     *decode.Conn
	data  [2]string
}

func (k *ride) fields(f decode.Fields) string {
	if f == nil {
		return "unseen"
	}
	method, _ := f.Field(":method")
	path, _ := f.Field(":path")
	status, _ := f.Field(":status")
	more, ok := f.Field("x-more")
	return fmt.Sprint(method, path, status, " ", more, ok)
}

func (k *ride) add(format string, a ...any) {
	k.layer.log = append(k.layer.log, fmt.Sprintf(format, a...))
}
func (k *ride) Answer(f decode.Fields)                { k.add("answer %v", k.fields(f)) }
func (k *ride) Data(d event.Dir, _ int64, b []byte)   { k.data[d] += string(b) }
func (k *ride) Lost(d event.Dir, _, n int64)          { k.data[d] += fmt.Sprintf("[lost %d]", n) }
func (k *ride) Trailers(d event.Dir, f decode.Fields) { k.add("trailers %v %v", d, k.fields(f)) }
func (k *ride) Finish(x *event.Exchange) {
	k.add("finish %q %q", k.data[0], k.data[1])
	x.Name = "ridden"
}
func (k *ride) Told() { k.add("told") }

func TestLayers(t *testing.T) {
	post := "POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/x\r\nContent-Length: 3\r\n\r\nabc"
	answer := "HTTP/1.1 200 OK\r\nContent-Type: application/x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\nX-More: yes\r\n\r\n"
	for chunk := 1; chunk <= len(post); chunk++ {
		l := new(rider)
		d := New(decode.Conn{Limits: decode.DefaultLimits()}, Options{Layers: []decode.Layer{l}})
		r := testkit.Play(d, chunk, testkit.C(get), testkit.S(answerOK), testkit.C(post), testkit.S("HTTP/1.1 100 Go\r\n\r\n"+answer), testkit.S(answer), testkit.C(post))
		want := []string{
			"open POST/x false", "answer unseen", `answer 200 false`, "trailers to_client  yestrue", `finish "abc" "def"`, "told", // a request and its answer
			"open unseen", "answer 200 false", "trailers to_client  yestrue", `finish "" "def"`, "told", // an answer alone
			"open POST/x false", "answer unseen", `finish "abc" ""`, "told", // unanswered
		}
		if got := strings.Join(l.log, "\n"); got != strings.Join(want, "\n") {
			t.Fatalf("chunks of %d: got\n%s\nwant\n%s", chunk, got, strings.Join(want, "\n"))
		}
		if len(r.Exchanges) != 4 || r.Exchanges[0].Name == "ridden" || r.Exchanges[1].Name != "ridden" {
			t.Fatalf("%s", brief(r))
		}
	}
}

func TestLayersLearnOfGaps(t *testing.T) {
	l := new(rider)
	d, r := New(decode.Conn{Limits: decode.DefaultLimits()}, Options{Layers: []decode.Layer{l}}), new(testkit.Recorder)
	_ = d.Feed(event.ToServer, 1, []byte("POST /x HTTP/1.1\r\nContent-Type: application/x\r\nContent-Length: 9\r\n\r\nabc"), r)
	d.Gap(event.ToServer, 2, 4, r)
	_ = d.Feed(event.ToServer, 3, []byte("hi"), r)
	d.Close(4, r)
	if got := strings.Join(l.log, "\n"); got != "open POST/x false\nanswer unseen\nfinish \"abc[lost 4]hi\" \"\"\ntold" {
		t.Error(got)
	}
}

func TestSecureIsHTTPS(t *testing.T) {
	r := testkit.Play(with(decode.Conn{Limits: decode.DefaultLimits(), Secure: true}), 0, request("/s"), reply("200 OK", ""), reply("408 Late", ""))
	for i := range r.Exchanges {
		if r.Exchanges[i].HTTP.Scheme != "https" {
			t.Errorf("%s", r.Exchanges[i].AppendJSON(nil))
		}
	}
}
