package tls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// wire is the client's end of a connection, which writes down what goes by.
type wire struct {
	net.Conn
	mu     *sync.Mutex
	pieces *[]testkit.Piece
}

func (w wire) note(d event.Dir, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*w.pieces = append(*w.pieces, testkit.Piece{Dir: d, Bytes: bytes.Clone(b)})
}

func (w wire) Write(b []byte) (int, error) {
	w.note(event.ToServer, b)
	return w.Conn.Write(b)
}

func (w wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.note(event.ToClient, b[:n])
	}
	return n, err
}

// certificate is a throwaway one with a key of that kind.
func certificate(t *testing.T, kind string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: kind}, DNSNames: []string{"shop.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	var key, public any
	if kind == "rsa" {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		key, public = k, &k.PublicKey
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, public = k, &k.PublicKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// pair are the two ends of a connection on loopback.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(20 * time.Second)
	client.SetDeadline(end)
	server.SetDeadline(end)
	return client, server
}

const bigAnswer = 100_000

// converse is a conversation of Go's client with Go's server: two questions,
// two answers, one of them over many records.
func converse(t *testing.T, client, server *tls.Config) []testkit.Piece {
	t.Helper()
	a, b := pair(t)
	var pieces []testkit.Piece
	var served sync.WaitGroup
	served.Go(func() {
		defer b.Close()
		if err := answer(tls.Server(b, server)); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	c := tls.Client(wire{a, new(sync.Mutex), &pieces}, client)
	if err := ask(c); err != nil {
		t.Errorf("client: %v", err)
	}
	a.Close()
	served.Wait()
	return pieces
}

func answer(c *tls.Conn) error {
	buf := make([]byte, 5)
	for _, text := range []string{"short", strings.Repeat("a", bigAnswer)} {
		if _, err := io.ReadFull(c, buf); err != nil {
			return err
		}
		if _, err := io.WriteString(c, text); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, c)
	return err
}

func ask(c *tls.Conn) error {
	for _, n := range []int{len("short"), bigAnswer} {
		if _, err := io.WriteString(c, "ask!\n"); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, c, int64(n)); err != nil {
			return err
		}
	}
	return c.CloseWrite()
}

// logResumed logs the secret of a session of TLS 1.2 for the connection that
// resumes it, which Go does not do and OpenSSL does.
func logResumed(log *bytes.Buffer, pieces []testkit.Piece) {
	hello := parseClientHello(pieces[0].Bytes[headerLen+4:])
	fields := strings.Fields(log.String())
	fmt.Fprintf(log, "CLIENT_RANDOM %x %s\n", hello.random, fields[len(fields)-1])
}

// TestDeciphersGo holds that what Go's TLS sends, in every suite that it has,
// is deciphered, in one piece and in many, first and resumed.
func TestDeciphersGo(t *testing.T) {
	certs := map[string]tls.Certificate{"rsa": certificate(t, "rsa"), "ecdsa": certificate(t, "ecdsa")}
	type offer struct {
		version uint16
		suite   uint16
		cert    string
	}
	cases := []offer{{tls.VersionTLS13, 0, "ecdsa"}, {tls.VersionTLS13, 0, "rsa"}}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if _, ok := suiteOf(s.ID); ok && s.SupportedVersions[0] == tls.VersionTLS12 {
			cert := "rsa"
			if strings.Contains(s.Name, "ECDSA") {
				cert = "ecdsa"
			}
			cases = append(cases, offer{tls.VersionTLS12, s.ID, cert})
		}
	}
	if len(cases) < 8 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%04x %s %s", c.version, suiteName(c.suite), c.cert), func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			client := &tls.Config{
				ServerName: "shop.example", InsecureSkipVerify: true, MinVersion: c.version, MaxVersion: c.version, KeyLogWriter: &log,
				NextProtos: []string{"h2", "http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(1), Certificates: []tls.Certificate{certs["ecdsa"]},
			}
			server := &tls.Config{Certificates: []tls.Certificate{certs[c.cert]}, NextProtos: []string{"h2"}, ClientAuth: tls.RequireAnyClientCert}
			if c.suite != 0 {
				client.CipherSuites, server.CipherSuites = []uint16{c.suite}, []uint16{c.suite}
			}
			for _, resumed := range []string{"false", "true"} {
				pieces := converse(t, client, server)
				if resumed == "true" && c.version == tls.VersionTLS12 {
					logResumed(&log, pieces)
				}
				for _, chunk := range []int{0, 1000, 7} {
					d, k := decoder(testConn(), Options{Keys: keysOf(t, log.String())})
					r := testkit.Play(d, chunk, pieces...)
					if want := [2]string{"ask!\nask!\n", "short" + strings.Repeat("a", bigAnswer)}; k.text != want || k.protocol != "http2" {
						t.Fatalf("handed on %d and %d bytes to %q", len(k.text[0]), len(k.text[1]), k.protocol)
					}
					if len(r.Notices) != 1 || attributes(&r.Notices[0])["tls.resumed"] != resumed || !strings.HasSuffix(r.Notices[0].Body, " to shop.example (h2)") {
						t.Errorf("resumed should be %s: %s", resumed, r.JSON())
					}
				}
			}
		})
	}
}
