package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
)

// A call of gRPC-Web from HTTP/1.1 reaches a server of gRPC, on a listener that
// is told to translate.
func TestGRPCWebIsTranslated(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Content-Type") != "application/grpc+proto" {
			t.Errorf("the server got %s, %q", r.Proto, r.Header.Get("Content-Type"))
		}
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/grpc+proto")
		w.Header().Set("Trailer", "Grpc-Status")
		w.Write(b)
		w.Header().Set("Grpc-Status", "0")
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	r := run(t, func(c *config.Config) {
		c.Listeners[0].Protocol, c.Listeners[0].GRPCWeb = config.HTTP, true
		c.Clusters[0].Protocol = config.HTTP2
	}, strings.TrimPrefix(s.URL, "http://"))
	a, err := r.client().Post("http://"+r.Addr("main").String()+"/a.B/C", "application/grpc-web+proto", strings.NewReader("\x00\x00\x00\x00\x02hi"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil || a.Header.Get("Content-Type") != "application/grpc-web+proto" ||
		!strings.HasPrefix(string(b), "\x00\x00\x00\x00\x02hi\x80") || !strings.Contains(strings.ToLower(string(b)), "grpc-status:") {
		t.Errorf("answer %v %q, %v", a.Header, b, err)
	}
}
