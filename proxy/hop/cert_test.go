package hop

import (
	"errors"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

func TestClientCertField(t *testing.T) {
	text := "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: Hash=1\r\nx-forwarded-client-cert: Hash=2\r\n\r\n"
	for want, c := range map[string]ClientCert{
		"":                       {},
		"Hash=1,Hash=2":          {Keep: true},
		"Hash=1,Hash=2,By=us":    {Keep: true, Own: "By=us"},
		"Hash=3;Subject=\"a,b\"": {Own: "Hash=3;Subject=\"a,b\""},
	} {
		var h http1.Head
		if _, err := h.ParseRequest([]byte(text), http1.Strict, decode.DefaultLimits()); err != nil {
			t.Fatal(err)
		}
		f := Forwarding{Scheme: "https", Cert: c}
		var got []string
		for _, field := range f.Fields(&h, new(event.Exchange)) {
			if TellsCert(&field) {
				got = append(got, string(field.Value))
			}
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}

func TestConnectFaultNamesWhyTLSFailed(t *testing.T) {
	for want, err := range map[string]error{
		"{connection_failure}":                               errors.New("refused"),
		"{connection_timeout}":                               &upstream.DialError{Timeout: true, Reason: "timeout"},
		"{connection_failure,TLS_error:certificate_expired}": &upstream.DialError{Reason: "certificate_expired"},
	} {
		f := ConnectFault(err)
		if f.Status != 503 || !f.Unsent() || !strings.HasSuffix(f.Detail, want) {
			t.Errorf("%v: %+v", err, f)
		}
	}
}
