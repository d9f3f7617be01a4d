package proxyproto

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var same = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func unhex(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

func tlv(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

// second is a header of version 2 with that command, family and rest.
func second(command, family byte, rest string) string {
	b := append([]byte(v2), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(rest)))) + rest
}

// sealed is a header with a right checksum.
func sealed(rest string) string {
	h := []byte(second(0x21, 0x11, rest+tlv(tlvCRC32C, "\x00\x00\x00\x00")))
	binary.BigEndian.PutUint32(h[len(h)-4:], crc32.Checksum(h, crc32.MakeTable(crc32.Castagnoli)))
	return string(h)
}

const (
	four = "\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb" // 192.0.2.1:56324 to 192.0.2.2:443
	six  = "20010db8000000000000000000000001 20010db8000000000000000000000002 dc04 01bb"
)

var (
	client, server   = netip.MustParseAddrPort("192.0.2.1:56324"), netip.MustParseAddrPort("192.0.2.2:443")
	client6, server6 = netip.MustParseAddrPort("[2001:db8::1]:56324"), netip.MustParseAddrPort("[2001:db8::2]:443")
)

func good() map[string]Header {
	addresses := Header{Version: 2, Source: client, Destination: server}
	rich := addresses
	rich.ALPN, rich.Authority, rich.UniqueID = "h2", "shop.example", []byte("\x00id")
	rich.TLS = &TLS{Version: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256", CommonName: "somebody", Verified: true}
	unverified := addresses
	unverified.TLS = &TLS{Version: "TLSv1.2"}
	return map[string]Header{
		"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n":              {Version: 1, Source: client, Destination: server},
		"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n":          {Version: 1, Source: client6, Destination: server6},
		"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 56324 443\r\n": {Version: 1, Source: client, Destination: server},
		"PROXY UNKNOWN\r\n": {Version: 1, Local: true},
		"PROXY UNKNOWN ffff:f...f:ffff 65535 whatever\r\n":               {Version: 1, Local: true},
		second(0x21, 0x11, four):                                         addresses,
		second(0x21, 0x21, unhex(six)):                                   {Version: 2, Source: client6, Destination: server6},
		second(0x20, 0x00, ""):                                           {Version: 2, Local: true},
		second(0x20, 0x77, "any thing"):                                  {Version: 2, Local: true},
		second(0x21, 0x00, ""):                                           {Version: 2, Local: true},
		second(0x21, 0x12, four):                                         {Version: 2, Local: true},
		second(0x21, 0x31, strings.Repeat("a", 216)):                     {Version: 2, Local: true},
		second(0x21, 0x11, four+tlv(0x04, "\x00\x00")+tlv(0xee, "ours")): addresses,
		sealed(four + tlv(0x04, "")):                                     addresses,
		second(0x21, 0x11, four+tlv(tlvALPN, "h2")+tlv(tlvAuthority, "shop.example")+tlv(tlvUniqueID, "\x00id")+
			tlv(tlvSSL, "\x07\x00\x00\x00\x00"+tlv(tlvSSLVersion, "TLSv1.3")+tlv(tlvSSLCN, "somebody")+tlv(tlvSSLCipher, "TLS_AES_128_GCM_SHA256")+tlv(0x24, "SHA256"))): rich,
		second(0x21, 0x11, four+tlv(tlvSSL, "\x01\x00\x00\x00\x01"+tlv(tlvSSLVersion, "TLSv1.2"))): unverified,
		second(0x21, 0x11, four+tlv(tlvSSL, "\x00\x00\x00\x00\x00")):                               addresses,
	}
}

// Every header comes out the same whatever follows it, and any part of one
// asks for more.
func TestParseGoodAndCutHeaders(t *testing.T) {
	for b, want := range good() {
		for _, rest := range []string{"", "\r\n", "GET / HTTP/1.1\r\n\r\n"} {
			got, n, err := Parse([]byte(b+rest), DefaultLimit)
			if err != nil || n != len(b) {
				t.Errorf("%q: %d of %d bytes, %v", b, n, len(b), err)
			}
			if d := cmp.Diff(want, got, same); d != "" {
				t.Errorf("%q: %s", b, d)
			}
		}
		for cut := range len(b) {
			if h, n, err := Parse([]byte(b[:cut]), DefaultLimit); n != 0 || err != nil {
				t.Errorf("%q: the first %d bytes are %+v, %d, %v", b, cut, h, n, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, b := range map[string]string{
		"LF alone":               "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\n",
		"no end":                 "PROXY UNKNOWN " + strings.Repeat("a", 107),
		"end too late":           "PROXY UNKNOWN " + strings.Repeat("a", 92) + "\r\n",
		"no family":              "PROXY \r\n",
		"other family":           "PROXY UDP4 192.0.2.1 192.0.2.2 56324 443\r\n",
		"other case":             "PROXY tcp4 192.0.2.1 192.0.2.2 56324 443\r\n",
		"wrong family":           "PROXY TCP4 2001:db8::1 2001:db8::2 56324 443\r\n",
		"wrong family again":     "PROXY TCP6 192.0.2.1 192.0.2.2 56324 443\r\n",
		"two spaces":             "PROXY TCP4  192.0.2.1 192.0.2.2 56324 443\r\n",
		"space at the end":       "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 \r\n",
		"leading zero":           "PROXY TCP4 192.0.2.01 192.0.2.2 56324 443\r\n",
		"leading zero of a port": "PROXY TCP4 192.0.2.1 192.0.2.2 056324 443\r\n",
		"large port":             "PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n",
		"signed port":            "PROXY TCP4 192.0.2.1 192.0.2.2 +5 443\r\n",
		"empty port":             "PROXY TCP4 192.0.2.1 192.0.2.2  443\r\n",
		"zone":                   "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
		"name":                   "PROXY TCP4 localhost 192.0.2.2 56324 443\r\n",
		"version 1 in binary":    second(0x11, 0x11, four),
		"version 3":              second(0x31, 0x11, four),
		"other command":          second(0x22, 0x11, four),
		"other family in binary": second(0x21, 0x41, four),
		"other protocol":         second(0x21, 0x13, four),
		"addresses cut":          second(0x21, 0x11, four[:11]),
		"v6 addresses cut":       second(0x21, 0x21, four),
		"entry cut":              second(0x21, 0x11, four+"\x01\x00"),
		"entry too long":         second(0x21, 0x11, four+"\x01\x00\x03ab"),
		"large unique id":        second(0x21, 0x11, four+tlv(tlvUniqueID, strings.Repeat("a", 129))),
		"TLS cut":                second(0x21, 0x11, four+tlv(tlvSSL, "\x01\x00\x00\x00")),
		"entry in TLS too long":  second(0x21, 0x11, four+tlv(tlvSSL, "\x01\x00\x00\x00\x00\x21\x00\x09a")),
		"wrong checksum":         second(0x21, 0x11, four+tlv(tlvCRC32C, "\x01\x02\x03\x04")),
		"checksum cut":           second(0x21, 0x11, four+tlv(tlvCRC32C, "\x01\x02\x03")),
		"larger than the limit":  second(0x21, 0x11, four+tlv(0xee, strings.Repeat("a", DefaultLimit))),
	} {
		if h, n, err := Parse([]byte(b), DefaultLimit); !errors.Is(err, ErrWrong) || n != 0 || h.Version != 0 && h.Source.IsValid() {
			t.Errorf("%s: %+v, %d, %v", name, h, n, err)
		}
	}
	for _, b := range []string{"G", "PRO ", "PROPFIND / HTTP/1.1", "\r\n\r\n\x00\r\nQUIT\r", "\x16\x03\x01"} {
		if _, n, err := Parse([]byte(b), DefaultLimit); !errors.Is(err, ErrNone) || n != 0 {
			t.Errorf("%q: %d, %v", b, n, err)
		}
	}
}

// What is written is read back.
func TestAppend(t *testing.T) {
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.1]:56324")
	for _, c := range []struct{ from, to, wantFrom, wantTo netip.AddrPort }{
		{client, server, client, server}, {client6, server6, client6, server6}, {mapped, server, client, server},
		{client, server6, client, server6}, {netip.AddrPort{}, server, netip.AddrPort{}, netip.AddrPort{}},
	} {
		for version, b := range map[int][]byte{1: AppendV1([]byte("x"), c.from, c.to), 2: AppendV2([]byte("x"), c.from, c.to)} {
			want := Header{Version: version, Source: c.wantFrom, Destination: c.wantTo, Local: !c.wantFrom.IsValid()}
			got, n, err := Parse(b[1:], DefaultLimit)
			if d := cmp.Diff(want, got, same); d != "" || n != len(b)-1 || err != nil {
				t.Errorf("%s to %s, version %d: %q is %d bytes, %v, %s", c.from, c.to, version, b, n, err, d)
			}
		}
	}
}

// Whatever comes, a header is found once and for all: never beyond the input,
// the same with more behind it, and not before its last byte.
func FuzzParse(f *testing.F) {
	for b := range good() {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b, DefaultLimit)
		switch {
		case n < 0 || n > len(b) || n > DefaultLimit || n > 0 && err != nil:
			t.Fatalf("%q: %d, %v", b, n, err)
		case n > 0:
			again, m, err := Parse(append(b[:n:n], "more"...), DefaultLimit)
			if d := cmp.Diff(h, again, same); d != "" || m != n || err != nil {
				t.Fatalf("%q: %d and %d, %v, %s", b, n, m, err, d)
			}
			if _, m, err := Parse(b[:n-1], DefaultLimit); m != 0 || err != nil {
				t.Fatalf("%q without its last byte: %d, %v", b, m, err)
			}
		case err == nil && len(b) > DefaultLimit:
			t.Fatalf("%d bytes and no end", len(b))
		}
	})
}

// BenchmarkParse measures one header of version 2 with addresses.
func BenchmarkParse(b *testing.B) {
	header := []byte(second(0x21, 0x11, four))
	b.ReportAllocs()
	for b.Loop() {
		if _, n, err := Parse(header, DefaultLimit); n != len(header) || err != nil {
			b.Fatal(n, err)
		}
	}
}
