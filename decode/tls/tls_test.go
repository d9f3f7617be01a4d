package tls

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

var suites13 = []uint16{0x1301, 0x1302, 0x1303, 0x1304, 0x1305}
var suites12 = []uint16{0x009c, 0x009f, 0xc02b, 0xc02f, 0xc030, 0xcca8, 0xcca9, 0xc0ac, 0xc0af, 0xc09d}

// talk is a request and an answer after the handshake, a message after it, and
// orderly ends.
func (c *script) talk(open []testkit.Piece) []testkit.Piece {
	return append(open,
		c.data(event.ToServer, "ask 1"), c.data(event.ToServer, ""),
		c.data(event.ToClient, "answer 1, part 1;"), c.data(event.ToClient, "part 2"),
		c.data(event.ToServer, "ask 2"),
		testkit.S(c.sealed(event.ToClient, typeAlert, "\x01\x00")), testkit.C(c.sealed(event.ToServer, typeAlert, "\x01\x00")),
	)
}

func (c *script) either() []testkit.Piece {
	if c.suite>>8 == 0x13 {
		return c.talk(c.open13())
	}
	return c.talk(c.open12())
}

func TestDeciphersEverySuite(t *testing.T) {
	for _, id := range append(suites13, suites12...) {
		t.Run(suiteName(id), func(t *testing.T) {
			c := newScript(id)
			d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
			r := testkit.Play(d, 0, c.either()...)
			if got, want := k.text, [2]string{"ask 1ask 2", "answer 1, part 1;part 2"}; got != want || !k.secure || k.protocol != "http1" {
				t.Errorf("handed on %q, secure %v, protocol %q", got, k.secure, k.protocol)
			}
			if want := "end to_client;end to_server;close;"; k.calls != want {
				t.Errorf("calls %q, want %q", k.calls, want)
			}
			if len(r.Exchanges) > 0 || len(r.Notices) != 1 {
				t.Fatalf("told\n%s", r.JSON())
			}
			version := map[bool]string{true: "1.3", false: "1.2"}[id>>8 == 0x13]
			if got, want := r.Notices[0].Body, "TLS "+version+" to shop.example (http/1.1)"; got != want {
				t.Errorf("event %q, want %q", got, want)
			}
		})
	}
}

func TestEverySplit(t *testing.T) {
	for _, id := range []uint16{0x1301, 0xc02f} {
		c := newScript(id)
		pieces := c.either()
		log := c.log()
		for _, keys := range []*Keys{nil, keysOf(t, log)} {
			var last *taken
			fresh := func() decode.Decoder {
				if last != nil && keys != nil && last.text != [2]string{"ask 1ask 2", "answer 1, part 1;part 2"} {
					t.Fatalf("handed on %q", last.text)
				}
				d, k := decoder(testConn(), Options{Keys: keys})
				last = k
				return d
			}
			testkit.EverySplit(fresh, func(cut int, want, got string) {
				t.Errorf("%04x cut at %d:\n%s\nwhole:\n%s", id, cut, got, want)
			}, pieces...)
			fresh()
		}
	}
}

func attributes(n *event.Notice) map[string]string {
	m := make(map[string]string)
	for _, kv := range n.Attributes {
		m[kv.Key] = kv.Value
	}
	return m
}

func TestTellsWithoutKeys(t *testing.T) {
	for _, id := range []uint16{0x1301, 0xc02f} {
		c := newScript(id)
		d, _ := decoder(testConn(), Options{})
		pieces := c.either()
		r := testkit.Play(d, 0, pieces...)
		if len(r.Exchanges) != 1 || len(r.Notices) != 1 {
			t.Fatalf("told\n%s", r.JSON())
		}
		x, n := &r.Exchanges[0], &r.Notices[0]
		if x.Protocol != event.TCP || x.Name != "tls shop.example" || x.Service != "shop.example" || x.Decode != 0 {
			t.Errorf("span %s", x.AppendJSON(nil))
		}
		var bytes [2]int64
		for _, p := range pieces {
			bytes[p.Dir] += int64(len(p.Bytes))
		}
		if x.RequestBytes != bytes[0] || x.ResponseBytes != bytes[1] {
			t.Errorf("%d and %d bytes, want %v", x.RequestBytes, x.ResponseBytes, bytes)
		}
		a := attributes(n)
		if n.Time != 1_001_000_000 || a["tls.client.server_name"] != "shop.example" || a["tls.cipher"] != suiteName(id) || a["client"] != "10.0.0.1:50000" {
			t.Errorf("event %s", n.AppendJSON(nil))
		}
		if id>>8 == 0x13 && (n.Body != "TLS 1.3 to shop.example (offered h2,http/1.1)" || a["tls.next_protocol"] != "" || a["pitot.tls.offered_protocols"] != "h2,http/1.1") {
			t.Errorf("event %s", n.AppendJSON(nil))
		}
	}
}

// TestLateKeys adds keys of TLS 1.3 after the handshake went by.
func TestLateKeys(t *testing.T) {
	for _, labels := range [][]label{{clientTraffic, serverTraffic}, nil} {
		c := newScript(0x1302)
		keys := NewKeys(0)
		d, k := decoder(testConn(), Options{Keys: keys})
		var r testkit.Recorder
		for i, p := range c.talk(c.open13()) {
			if i == 3 {
				if _, err := keys.Add([]byte(c.log(labels...)), 1); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Feed(p.Dir, int64(i+1), p.Bytes, &r); err != nil {
				t.Fatal(err)
			}
		}
		d.Close(100, &r)
		if want := [2]string{"ask 1ask 2", "answer 1, part 1;part 2"}; k.text != want || k.protocol != "" || len(r.Notices) != 1 {
			t.Errorf("handed on %q as %q\n%s", k.text, k.protocol, r.JSON())
		}
	}
}

func TestOneSidedKeys(t *testing.T) {
	c := newScript(0x1301)
	d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log(clientHandshake, clientTraffic))})
	r := testkit.Play(d, 0, c.either()...)
	if k.text[0] != "ask 1ask 2" || k.text[1] != "" || len(r.Exchanges) > 0 {
		t.Errorf("handed on %q, %s", k.text, r.JSON())
	}
}

func TestWrongKeys(t *testing.T) {
	for _, id := range []uint16{0x1301, 0xc02f} {
		c := newScript(id)
		for l := range c.secrets {
			c.secrets[l][0]++
		}
		log := c.log()
		pieces := newScript(id).either()
		d, k := decoder(testConn(), Options{Keys: keysOf(t, log)})
		r := testkit.Play(d, 0, pieces...)
		if k.text != [2]string{} || len(r.Exchanges) != 1 || r.Exchanges[0].Name != "tls shop.example" || len(r.Notices) != 1 {
			t.Errorf("handed on %q, %s", k.text, r.JSON())
		}
	}
}

// TestTamperedRecords holds that what does not authenticate is not handed on.
func TestTamperedRecords(t *testing.T) {
	for _, id := range []uint16{0x1303, 0xc02f} {
		c := newScript(id)
		pieces := c.either()
		p := pieces[len(pieces)-4] // the answer's second part
		p.Bytes[len(p.Bytes)-20] ^= 1
		d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
		testkit.Play(d, 0, pieces...)
		if k.text[1] != "answer 1, part 1;" || k.text[0] != "ask 1ask 2" {
			t.Errorf("%04x: handed on %q", id, k.text)
		}
	}
}

func TestKeyUpdate(t *testing.T) {
	c := newScript(0x1302)
	pieces := c.open13()
	want := [2]string{}
	for i := range 6 {
		for _, dir := range []event.Dir{event.ToServer, event.ToClient} {
			text := fmt.Sprintf("%v %d;", dir, i)
			want[dir] += text
			pieces = append(pieces, c.data(dir, text), testkit.Piece{Dir: dir, Bytes: []byte(c.sealed(dir, typeHandshake, message(kindKeyUpdate, "\x00")))})
			c.under13(dir, nextSecret(c.s, c.current[dir]))
		}
	}
	d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
	testkit.Play(d, 3, pieces...)
	if k.text != want {
		t.Errorf("handed on %q, want %q", k.text, want)
	}
}

// TestHandshakeInPieces cuts hellos over records of one byte.
func TestHandshakeInPieces(t *testing.T) {
	c := newScript(0xc02f)
	pieces := c.talk(c.open12())
	for i := range 2 {
		body, cut := string(pieces[i].Bytes[headerLen:]), ""
		for j := range body {
			cut += record(typeHandshake, body[j:j+1])
		}
		pieces[i].Bytes = []byte(cut)
	}
	if v := Detect(event.ToServer, pieces[0].Bytes[:6]); v != decode.Yes {
		t.Errorf("detected %v", v)
	}
	d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
	r := testkit.Play(d, 0, pieces...)
	if k.text[0] != "ask 1ask 2" || r.Notices[0].Body != "TLS 1.2 to shop.example (http/1.1)" {
		t.Errorf("handed on %q, %s", k.text, r.JSON())
	}
}

func TestRetry(t *testing.T) {
	c := newScript(0x1301)
	open := c.open13()
	first := record(typeHandshake, clientHelloOf(c.client, "session", []uint16{0x1301}, sni("first.example"), offer13(), extension(extEarlyData, "")))
	c.under13(event.ToServer, c.secrets[clientEarly])
	early := record(typeChange, "\x01") + c.sealed(event.ToServer, typeData, "never taken")
	retry := record(typeHandshake, serverHelloOf(retryRandom, "session", 0x1301, choose13())) + record(typeChange, "\x01")
	c.under13(event.ToServer, c.secrets[clientTraffic])
	pieces := append([]testkit.Piece{testkit.C(first + early), testkit.S(retry)}, open...)
	d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
	r := testkit.Play(d, 0, c.talk(pieces)...)
	if k.text[0] != "ask 1ask 2" || len(r.Notices) != 1 || r.Notices[0].Body != "TLS 1.3 to first.example (http/1.1)" {
		t.Errorf("handed on %q, %s", k.text, r.JSON())
	}
}

func TestEarlyData(t *testing.T) {
	for _, accepted := range []bool{true, false} {
		c := newScript(0x1301)
		c.under13(event.ToServer, c.secrets[clientEarly])
		early := c.sealed(event.ToServer, typeData, "early 1;") + c.sealed(event.ToServer, typeData, "early 2;")
		end := c.sealed(event.ToServer, typeHandshake, message(kindEndOfEarly, ""))
		open := c.open13(extension(extEarlyData, ""), extension(extPreShared, ""))
		c.under13(event.ToClient, c.secrets[serverHandshake])
		extensions := alpn("http/1.1")
		if accepted {
			extensions += extension(extEarlyData, "")
		} else {
			end = ""
		}
		open[1] = testkit.S(record(typeHandshake, serverHelloOf(string(c.server[:]), "session", c.suite, choose13(), extension(extPreShared, "\x00\x00"))) +
			c.sealed(event.ToClient, typeHandshake, message(kindExtensions, vec(2, extensions))+finished))
		c.under13(event.ToClient, c.secrets[serverTraffic])
		open[0].Bytes = append(open[0].Bytes, early...)
		open[2].Bytes = append([]byte(end), open[2].Bytes...)
		d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
		r := testkit.Play(d, 0, c.talk(open)...)
		want := "ask 1ask 2"
		if accepted {
			want = "early 1;early 2;" + want
		}
		if k.text[0] != want || !strings.Contains(k.text[1], "part 2") || attributes(&r.Notices[0])["tls.resumed"] != "true" {
			t.Errorf("accepted %v: handed on %q, calls %q, %s", accepted, k.text, k.calls, r.JSON())
		}
	}
}

// TestSidesOutOfOrder shows each side's bytes only after all of the other's.
func TestSidesOutOfOrder(t *testing.T) {
	for _, id := range []uint16{0x1301, 0xc02f} {
		for _, first := range []event.Dir{event.ToServer, event.ToClient} {
			c := newScript(id)
			var sorted [2][]testkit.Piece
			for _, p := range c.either() {
				sorted[p.Dir] = append(sorted[p.Dir], p)
			}
			d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
			r := testkit.Play(d, 0, append(sorted[first], sorted[first.Other()]...)...)
			if want := [2]string{"ask 1ask 2", "answer 1, part 1;part 2"}; k.text != want || len(r.Notices) != 1 || !strings.Contains(r.Notices[0].Body, "to shop.example (http/1.1)") {
				t.Errorf("%04x, %v first: handed on %q, %s", id, first, k.text, r.JSON())
			}
		}
	}
}

func TestAlertEndsTheHandshake(t *testing.T) {
	c := newScript(0xc02f)
	d, _ := decoder(testConn(), Options{})
	r := testkit.Play(d, 0, c.open12()[0], testkit.S(record(typeAlert, "\x02\x28")))
	if len(r.Notices) != 1 || r.Notices[0].Body != "TLS to shop.example failed: handshake_failure from the server" || r.Notices[0].Severity != event.Warn {
		t.Errorf("told %s", r.JSON())
	}
	if x := r.Exchanges[0]; x.Status != event.Error || x.ErrorType != "handshake_failure" {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

func TestOddHellos(t *testing.T) {
	for _, c := range []struct{ name, client, want string }{
		{"no answer", record(22, clientHelloOf([32]byte{}, "", []uint16{1}, sni("a.example"))), "TLS to a.example, not answered"},
		{"no name", record(22, clientHelloOf([32]byte{}, "", []uint16{1})), "TLS to 10.0.0.2:443, no server name, not answered"},
		{"name of odd bytes", record(22, clientHelloOf([32]byte{}, "", []uint16{1}, sni("a\x1b[31m b"))), "TLS to a?[31m?b, not answered"},
		{"SSL 2.0 form", v2("\x03\x01"), "TLS to 10.0.0.2:443, no server name, not answered"},
	} {
		d, _ := decoder(testConn(), Options{})
		r := testkit.Play(d, 1, testkit.C(c.client))
		if len(r.Notices) != 1 || r.Notices[0].Body != c.want {
			t.Errorf("%s: told %s", c.name, r.JSON())
		}
	}
}

// v2 is a hello in the form of SSL 2.0.
func v2(version string) string {
	body := "\x01" + version + be(2, 6) + be(2, 0) + be(2, 16) + "\x00\x00\x2f\x07\x00\xc0" + strings.Repeat("c", 16)
	return be(2, 0x8000|len(body)) + body
}

// TestJoinedLate meets a connection amid its records.
func TestJoinedLate(t *testing.T) {
	c := newScript(0x1301)
	pieces := c.talk(c.open13())[3:]
	if v := Detect(event.ToServer, pieces[0].Bytes); v != decode.Yes {
		t.Errorf("detected %v", v)
	}
	conn := testConn()
	conn.MidStream = true
	for _, keys := range []*Keys{nil, keysOf(t, c.log())} {
		d, _ := decoder(conn, Options{Keys: keys})
		r := testkit.Play(d, 0, pieces...)
		if len(r.Exchanges) != 1 || r.Exchanges[0].Name != "tls" || r.Exchanges[0].Decode != event.MidStream|event.Guessed || len(r.Notices) > 0 {
			t.Errorf("told %s", r.JSON())
		}
	}
}

func TestPositions(t *testing.T) {
	c := newScript(0xc02f)
	pieces := c.talk(c.open12())
	var fed [2]int
	conn := testConn()
	conn.Position = func(d event.Dir, off int) uint32 { return uint32(fed[d] + off) }
	d, k := decoder(conn, Options{Keys: keysOf(t, c.log())})
	var starts [2]int
	var r testkit.Recorder
	for i, p := range pieces {
		if i == 4 {
			starts = fed
		}
		for _, b := range p.Bytes {
			if err := d.Feed(p.Dir, int64(i+1), []byte{b}, &r); err != nil {
				t.Fatal(err)
			}
			fed[p.Dir]++
		}
	}
	if k.seq[0][0] != uint32(starts[0]) || k.seq[1][0] != uint32(starts[1]) {
		t.Errorf("positions %v, want %v first", k.seq, starts)
	}
}
