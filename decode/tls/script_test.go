package tls

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// taken is what the decoder handed on.
type taken struct {
	protocol string // that was asked for
	secure   bool
	text     [2]string
	calls    string // gaps and ends, in order
	at       [2]int64
	seq      [2][]uint32
	position func(event.Dir, int) uint32
}

func (k *taken) Feed(d event.Dir, at int64, b []byte, _ event.Emitter) error {
	k.text[d] += string(b)
	k.at[d] = at
	if k.position != nil {
		k.seq[d] = append(k.seq[d], k.position(d, 0))
	}
	return nil
}

func (k *taken) Gap(d event.Dir, _, n int64, _ event.Emitter) {
	k.calls += fmt.Sprintf("gap %v %d;", d, n)
	k.text[d] += "|"
}
func (k *taken) End(d event.Dir, _ int64, _ event.Emitter) { k.calls += fmt.Sprintf("end %v;", d) }
func (k *taken) Close(int64, event.Emitter)                { k.calls += "close;" }

func testConn() decode.Conn {
	return decode.Conn{
		Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("10.0.0.2:443"),
		Limits: decode.DefaultLimits(),
	}
}

// decoder is one of connection c, whose content goes to the value returned.
func decoder(c decode.Conn, o Options) (decode.Decoder, *taken) {
	k := new(taken)
	c.Switch = func(c decode.Conn, h decode.Handover) decode.Decoder {
		k.protocol, k.secure, k.position = h.Protocol, c.Secure, c.Position
		return k
	}
	return Protocol(o).New(c), k
}

func be(size int, v int) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(v))
	return string(b[8-size:])
}

// vec is b with its length before it.
func vec(size int, b ...string) string {
	all := strings.Join(b, "")
	return be(size, len(all)) + all
}

func record(kind byte, body string) string { return string(kind) + "\x03\x03" + vec(2, body) }
func message(kind byte, body string) string {
	return string(kind) + vec(3, body)
}
func extension(kind int, body string) string { return be(2, kind) + vec(2, body) }
func sni(name string) string                 { return extension(extServerName, vec(2, "\x00"+vec(2, name))) }
func alpn(names ...string) string {
	list := ""
	for _, n := range names {
		list += vec(1, n)
	}
	return extension(extALPN, vec(2, list))
}

// hello13 is an extension that offers, or chooses, TLS 1.3.
func offer13() string  { return extension(extVersions, vec(1, be(2, versionTLS13))) }
func choose13() string { return extension(extVersions, be(2, versionTLS13)) }

func clientHelloOf(random [32]byte, session string, suites []uint16, extensions ...string) string {
	list := ""
	for _, s := range suites {
		list += be(2, int(s))
	}
	return message(kindClientHello, "\x03\x03"+string(random[:])+vec(1, session)+vec(2, list)+vec(1, "\x00")+vec(2, extensions...))
}

func serverHelloOf(random string, session string, suite uint16, extensions ...string) string {
	return message(kindServerHello, "\x03\x03"+random+vec(1, session)+be(2, int(suite))+"\x00"+vec(2, extensions...))
}

// sealer protects the records of one direction.
type sealer struct {
	seal  func(nonce, text, extra []byte) []byte
	iv    [12]byte
	fixed int
	tls13 bool
	seq   uint64
}

// script writes a conversation with secrets of its own.
type script struct {
	suite   uint16
	s       suite
	client  [32]byte
	server  [32]byte
	secrets [numLabels][]byte
	out     [2]*sealer
	current [2][]byte // traffic secrets
}

func newScript(id uint16) *script {
	s, ok := suiteOf(id)
	if !ok {
		panic("no such suite")
	}
	c := &script{suite: id, s: s}
	copy(c.client[:], "client random of 32 bytes.......")
	copy(c.server[:], "server random of 32 bytes.......")
	for l := range c.secrets {
		c.secrets[l] = bytes.Repeat([]byte{byte(l + 1)}, s.hash().Size())
	}
	c.secrets[master] = bytes.Repeat([]byte{9}, 48)
	return c
}

// log is the key log with the secrets of these labels; none: all.
func (c *script) log(labels ...label) string {
	names := [...]string{"CLIENT_RANDOM", "CLIENT_EARLY_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
		"SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"}
	if labels == nil {
		labels = []label{master, clientEarly, clientHandshake, serverHandshake, clientTraffic, serverTraffic}
	}
	text := ""
	for _, l := range labels {
		text += fmt.Sprintf("%s %x %x\n", names[l], c.client, c.secrets[l])
	}
	return text
}

func keysOf(t testing.TB, log string) *Keys {
	t.Helper()
	k := NewKeys(0)
	if _, err := k.Add([]byte(log), 1); err != nil {
		t.Fatal(err)
	}
	return k
}

func (c *script) sealFunc(key []byte) func(nonce, text, extra []byte) []byte {
	a, err := c.s.aead(key)
	if err != nil {
		panic(err)
	}
	switch a := a.(type) {
	case cipher.AEAD:
		return func(nonce, text, extra []byte) []byte { return a.Seal(nil, nonce, text, extra) }
	case *ccm:
		return a.seal
	}
	panic("no way to seal")
}

func (c *ccm) seal(nonce, text, extra []byte) []byte {
	out := bytes.Clone(text)
	c.count = [16]byte{0: 2}
	copy(c.count[1:], nonce)
	for i := 0; i < len(out); i += 16 {
		c.key(uint32(i/16 + 1))
		subtle.XORBytes(out[i:], out[i:], c.stream[:])
	}
	c.authenticate(nonce, text, extra)
	c.key(0)
	subtle.XORBytes(c.mac[:], c.mac[:], c.stream[:])
	return append(out, c.mac[:c.tag]...)
}

// under13 makes direction d send under secret.
func (c *script) under13(d event.Dir, secret []byte) {
	x := &sealer{seal: c.sealFunc(expandLabel(c.s.hash, secret, "key", c.s.key)), fixed: 12, tls13: true}
	copy(x.iv[:], expandLabel(c.s.hash, secret, "iv", 12))
	c.out[d], c.current[d] = x, secret
}

func (c *script) under12(d event.Dir) {
	seed := "key expansion" + string(c.server[:]) + string(c.client[:])
	b := prf(c.s.hash, c.secrets[master], []byte(seed), 2*c.s.key+2*c.s.fixed)
	key, iv := b[:c.s.key], b[2*c.s.key:][:c.s.fixed]
	if d == event.ToClient {
		key, iv = b[c.s.key:][:c.s.key], b[2*c.s.key+c.s.fixed:]
	}
	x := &sealer{seal: c.sealFunc(key), fixed: c.s.fixed}
	copy(x.iv[:], iv)
	c.out[d] = x
}

// sealed is a protected record.
func (c *script) sealed(d event.Dir, kind byte, text string) string {
	x := c.out[d]
	seq := x.seq
	x.seq++
	nonce, explicit := x.iv, ""
	if x.fixed == 12 {
		binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^seq)
	} else {
		explicit = be(8, int(seq)+77) // any will do
		copy(nonce[4:], explicit)
	}
	if !x.tls13 {
		extra := be(8, int(seq)) + string(kind) + "\x03\x03" + be(2, len(text))
		return record(kind, explicit+string(x.seal(nonce[:], []byte(text), []byte(extra))))
	}
	text += string(kind) + "\x00\x00\x00" // padding
	sum := len(x.seal(nonce[:], []byte(text), nil))
	head := "\x17\x03\x03" + be(2, sum)
	return head + string(x.seal(nonce[:], []byte(text), []byte(head)))
}

var finished = message(kindFinished, strings.Repeat("f", 32))

// open13 is a handshake of TLS 1.3 after which traffic may follow.
func (c *script) open13(extensions ...string) []testkit.Piece {
	hello := clientHelloOf(c.client, "session", []uint16{0x1a1a, c.suite}, append([]string{sni("shop.example"), alpn("h2", "http/1.1"), offer13()}, extensions...)...)
	c.under13(event.ToClient, c.secrets[serverHandshake])
	answer := record(typeHandshake, serverHelloOf(string(c.server[:]), "session", c.suite, choose13())) + record(typeChange, "\x01") +
		c.sealed(event.ToClient, typeHandshake, message(kindExtensions, vec(2, alpn("http/1.1")))+message(11, strings.Repeat("cert", 100))) +
		c.sealed(event.ToClient, typeHandshake, finished[:5]) + c.sealed(event.ToClient, typeHandshake, finished[5:])
	c.under13(event.ToServer, c.secrets[clientHandshake])
	last := record(typeChange, "\x01") + c.sealed(event.ToServer, typeHandshake, finished)
	c.under13(event.ToServer, c.secrets[clientTraffic])
	c.under13(event.ToClient, c.secrets[serverTraffic])
	return []testkit.Piece{testkit.C(record(typeHandshake, hello)), testkit.S(answer), testkit.C(last)}
}

// open12 is a handshake of TLS 1.2.
func (c *script) open12() []testkit.Piece {
	hello := clientHelloOf(c.client, "", []uint16{c.suite, 0x00ff}, sni("shop.example"), alpn("http/1.1"))
	answer := serverHelloOf(string(c.server[:]), "new", c.suite, alpn("http/1.1")) + message(11, strings.Repeat("cert", 100)) + message(14, "")
	c.under12(event.ToServer)
	c.under12(event.ToClient)
	return []testkit.Piece{
		testkit.C(record(typeHandshake, hello)),
		testkit.S(record(typeHandshake, answer)),
		testkit.C(record(typeHandshake, message(16, "exchange")) + record(typeChange, "\x01") + c.sealed(event.ToServer, typeHandshake, finished)),
		testkit.S(record(typeChange, "\x01") + c.sealed(event.ToClient, typeHandshake, finished)),
	}
}

func (c *script) data(d event.Dir, text string) testkit.Piece {
	return testkit.Piece{Dir: d, Bytes: []byte(c.sealed(d, typeData, text))}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}
