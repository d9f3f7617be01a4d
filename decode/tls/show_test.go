package tls

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// inspected is what is told of every record: direction, offset and kind. The
// records must follow one another without a hole.
func inspected(t *testing.T, keys *Keys, pieces []testkit.Piece) string {
	t.Helper()
	var said []string
	var next [2]int64
	conn := testConn()
	conn.Inspect = func(m *decode.Message) {
		if m.Offset != next[m.Dir] || m.Protocol != "tls" {
			t.Errorf("%s at %d, not at %d", m.Kind, m.Offset, next[m.Dir])
		}
		next[m.Dir] = m.Offset + m.Size
		said = append(said, fmt.Sprintf("%s %s: %s", map[event.Dir]string{event.ToServer: ">", event.ToClient: "<"}[m.Dir], m.Kind, m.Text))
	}
	d, _ := decoder(conn, Options{Keys: keys})
	testkit.Play(d, 3, pieces...)
	return strings.Join(said, "\n")
}

func TestInspect(t *testing.T) {
	c := newScript(0x1301)
	pieces := c.either()
	got := inspected(t, keysOf(t, c.log()), pieces)
	want := `> ClientHello: server name "shop.example", offers "h2,http/1.1", JA4 t13d0103h2_0f2cb44170f4_b9a491fefe05
< ServerHello: TLS 1.3, TLS_AES_128_GCM_SHA256
< ChangeCipherSpec: 1 bytes of content
< EncryptedExtensions, Certificate (decrypted): 
< Finished (decrypted): 
< Finished (decrypted): 
> ChangeCipherSpec: 1 bytes of content
> Finished (decrypted): 
> ApplicationData (decrypted): 5 bytes of content
> ApplicationData (decrypted): 0 bytes of content
< ApplicationData (decrypted): 17 bytes of content
< ApplicationData (decrypted): 6 bytes of content
> ApplicationData (decrypted): 5 bytes of content
< Alert (decrypted): close_notify
> Alert (decrypted): close_notify`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	c = newScript(0xc02f)
	got = inspected(t, nil, c.either())
	want = `> ClientHello: server name "shop.example", offers "http/1.1", JA4 t12d0202h1_b06afd972a5c_000000000000
< ServerHello, Certificate, ServerHelloDone: TLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
> ClientKeyExchange: 
> ChangeCipherSpec: 1 bytes of content
> Handshake (encrypted): 60 bytes`
	if !strings.HasPrefix(got, want) || strings.Count(got, "\n")+1 != 14 || !strings.HasSuffix(got, "\n> Alert (encrypted): 26 bytes") {
		t.Errorf("got\n%s\nwant at first\n%s", got, want)
	}
}
