package tls

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// numbersOf reads hexadecimal numbers with commas between, as JA4's
// description writes them.
func numbersOf(s string) (all []uint16) {
	for _, f := range strings.Split(s, ",") {
		b := unhex(f)
		all = append(all, uint16(b[0])<<8|uint16(b[1]))
	}
	return all
}

// described is the ClientHello of JA4's description.
func described() *clientHello {
	return &clientHello{
		version: versionTLS12, named: true, alpn: []string{"h2", "http/1.1"}, versions: []uint16{0x3a3a, 0x0304, 0x0303},
		suites:     append([]uint16{0x5a5a}, numbersOf("1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035")...),
		extensions: append([]uint16{0xaaaa}, numbersOf("001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015")...),
		signatures: numbersOf("0403,0804,0401,0503,0805,0501,0806,0601"),
	}
}

func TestJA4(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*clientHello)
	}{
		{"t13d1516h2_8daaf6152771_e5627efa2ab1", func(h *clientHello) {}},
		{"t13d1516h2_8daaf6152771_6d807ffa2a79", func(h *clientHello) { h.signatures = nil }},
		{"t13d1516h2_8daaf6152771_e5627efa2ab1", func(h *clientHello) { h.signatures = append([]uint16{0x1a1a}, h.signatures...) }},
		{"t13d1516h1_8daaf6152771_e5627efa2ab1", func(h *clientHello) { h.alpn = []string{"http/1.1"} }},
		{"t13i150000_8daaf6152771_000000000000", func(h *clientHello) { h.named, h.alpn, h.extensions = false, nil, nil }},
		{"t13d0016h2_000000000000_e5627efa2ab1", func(h *clientHello) { h.suites = []uint16{0x0a0a} }},
		{"t12d1516h2_8daaf6152771_e5627efa2ab1", func(h *clientHello) { h.versions = nil }},
		{"t00d1516h2_8daaf6152771_e5627efa2ab1", func(h *clientHello) { h.versions = []uint16{0x0a0a} }},
		{"ts3d1516h2_8daaf6152771_e5627efa2ab1", func(h *clientHello) { h.versions, h.version = nil, 0x0300 }},
		{"", func(h *clientHello) { h.v2 = true }},
	} {
		h := described()
		c.change(h)
		if got := h.ja4(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	h := described()
	h.suites = make([]uint16, 120)
	if got := h.ja4(); !strings.HasPrefix(got, "t13d9916h2_") {
		t.Errorf("120 suites: %s", got)
	}
}

// TestJA4OfOddProtocols holds the table of JA4's description.
func TestJA4OfOddProtocols(t *testing.T) {
	for alpn, want := range map[string]string{
		"": "00", "x": "xx", "\xab": "ab", "\x20": "20", "\xab\xcd": "ad", "\x20\x61": "21", "\x30\xab": "3b", "\x61\x20": "60",
		"\x30\x31\xab\xcd": "3d", "\x30\xab\xcd\x31": "01", "h2": "h2", "http/1.1": "h1",
	} {
		if got := (&clientHello{alpn: []string{alpn}}).ja4ALPN(); got != want {
			t.Errorf("%q: %s, want %s", alpn, got, want)
		}
	}
}

func TestParsesHellos(t *testing.T) {
	c := newScript(0x1301)
	b := c.open13(extension(extECH, "x"), extension(extSignatures, vec(2, "\x04\x03\x08\x04")))[0].Bytes[headerLen+4:]
	h := parseClientHello(b)
	if h.serverName != "shop.example" || strings.Join(h.alpn, ",") != "h2,http/1.1" || h.highest() != versionTLS13 || !h.ech ||
		string(h.session) != "session" || len(h.signatures) != 2 || h.random != c.client || h.early {
		t.Errorf("read %+v", h)
	}
	for cut := range b {
		short := parseClientHello(b[:cut:cut])
		if cut < 2+32+1+7+2+4+2 && short != nil {
			t.Fatalf("%d bytes of it: %+v", cut, short)
		}
	}
	s := []byte(serverHelloOf(string(c.server[:]), "session", 0x1301, choose13(), alpn("h2")))[4:]
	if got := parseServerHello(s, h); got.version != versionTLS13 || got.suite != 0x1301 || got.alpn != "h2" || got.resumed {
		t.Errorf("read %+v", got)
	}
	for cut := range s {
		parseServerHello(s[:cut:cut], h)
	}
	twelve := []byte(serverHelloOf(string(c.server[:]), "session", 0xc02f))[4:]
	if got := parseServerHello(twelve, h); !got.resumed {
		t.Errorf("an echoed session is none: %+v", got)
	}
}

func TestDetect(t *testing.T) {
	c := newScript(0x1301)
	open := c.open13()
	hello, answer := string(open[0].Bytes), string(open[1].Bytes)
	data := string(c.data(0, strings.Repeat("x", 40)).Bytes)
	for _, c := range []struct {
		name string
		dir  event.Dir
		b    string
		want decode.Verdict
	}{
		{"nothing", 0, "", decode.Maybe},
		{"hello", 0, hello, decode.Yes},
		{"hello, 9 bytes", 0, hello[:9], decode.Yes},
		{"hello, 8 bytes", 0, hello[:8], decode.Maybe},
		{"server hello", 1, answer, decode.Yes},
		{"hello from the server", 1, hello, decode.No},
		{"answer from the client", 0, answer, decode.No},
		{"data", 0, data, decode.Yes},
		{"data, then data", 1, data + data, decode.Yes},
		{"data, cut", 1, data[:30], decode.Yes},
		{"data, then something else", 0, data + "GET /", decode.No},
		{"data too short", 0, "\x17\x03\x03\x00\x05hello", decode.No},
		{"form of SSL 2.0", 0, v2("\x03\x01"), decode.Yes},
		{"form of SSL 2.0, 10 bytes", 0, v2("\x03\x01")[:10], decode.Maybe},
		{"SSL 2.0 itself", 0, v2("\x00\x02"), decode.No},
		{"version 9", 0, "\x16\x03\x09\x00\x40\x01", decode.No},
		{"record of no length", 0, "\x16\x03\x01\x00\x00", decode.No},
		{"record too long", 0, "\x16\x03\x01\xff\xff", decode.No},
		{"tiny hello", 0, "\x16\x03\x01\x00\x40\x01\x00\x00\x01", decode.No},
		{"HTTP", 0, "GET / HTTP/1.1\r\n\r\n", decode.No},
		{"MongoDB of 197,399 bytes", 0, "\x17\x03\x03\x00" + strings.Repeat("\x40\x00\x00\x00", 100), decode.No},
	} {
		if got := Detect(c.dir, []byte(c.b)); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestSuiteNames(t *testing.T) {
	for id, want := range map[uint16]string{
		0: "TLS_NULL_WITH_NULL_NULL", 0x1301: "TLS_AES_128_GCM_SHA256", 0xc0ff: "TLS_ECJPAKE_WITH_AES_128_CCM_8",
		0xd005: "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256", 0xeaea: "0xEAEA",
	} {
		if got := suiteName(id); got != want {
			t.Errorf("%04x: %s, want %s", id, got, want)
		}
	}
	for id := range 1 << 16 {
		s, ok := suiteOf(uint16(id))
		if !ok {
			continue
		}
		if _, err := s.aead(make([]byte, s.key)); err != nil {
			t.Errorf("%s: %v", suiteName(uint16(id)), err)
		}
	}
	if _, ok := suiteOf(0xc013); ok {
		t.Error("a suite of CBC is taken for one that can be deciphered")
	}
}

// TestCCM holds example 3 of NIST SP 800-38C, whose nonce is of 12 bytes.
func TestCCM(t *testing.T) {
	key := unhex("404142434445464748494a4b4c4d4e4f")
	nonce := unhex("101112131415161718191a1b")
	extra := unhex("000102030405060708090a0b0c0d0e0f10111213")
	text := unhex("202122232425262728292a2b2c2d2e2f3031323334353637")
	sealed := unhex("e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5 484392fbc1b09951")
	c, err := newCCM(key, 8)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Open([]byte("before "), nonce, sealed, extra)
	if err != nil || !bytes.Equal(got, append([]byte("before "), text...)) {
		t.Errorf("got %x, %v", got, err)
	}
	for i := range sealed {
		wrong := bytes.Clone(sealed)
		wrong[i] ^= 0x10
		if _, err := c.Open(nil, nonce, wrong, extra); err == nil {
			t.Errorf("byte %d changed, and it opens", i)
		}
	}
	for n := range sealed {
		if _, err := c.Open(nil, nonce, sealed[:n], extra); err == nil {
			t.Errorf("%d bytes of it open", n)
		}
	}
}
