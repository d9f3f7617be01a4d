package relay_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
)

func dialPlain(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// call is a unary call whose message is "hello".
func call(t *testing.T, p *proxy, timeout string) *http.Response {
	t.Helper()
	r, err := http.NewRequest("POST", p.url("/shop.Cart/Add"), strings.NewReader("\x00\x00\x00\x00\x05hello"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc+proto")
	r.Header.Set("Te", "trailers")
	if timeout != "" {
		r.Header.Set("Grpc-Timeout", timeout)
	}
	a, err := p.client(2).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What the proxy answers to a call by itself is in gRPC's words: a head that
// ends the call.
func TestLocalRepliesToCalls(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	stuck := origin(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for _, c := range []struct {
		name, upstream, timeout string
		change                  func(*relay.Options, *hop.Route)
		status, message         string
		flags                   event.ResponseFlags
	}{
		{"no route", dead.Addr().String(), "", func(o *relay.Options, _ *hop.Route) { o.Rules.Route = func(*http1.Head) *hop.Route { return nil } }, "12", "route_not_found", event.FlagNR},
		{"no connection", dead.Addr().String(), "", nil, "14", "connection_failure", event.FlagUF},
		{"too much", stuck, "", func(o *relay.Options, _ *hop.Route) { o.Body = 1 }, "2", "request_payload_too_large", 0},
		{"route's timeout", stuck, "", func(_ *relay.Options, r *hop.Route) { r.Timeout = 50 * time.Millisecond }, "4", "response_timeout", event.FlagUT},
		{"client's deadline", stuck, "50m", nil, "4", "response_timeout", event.FlagUT},
		{"bounded deadline", stuck, "1H", func(o *relay.Options, r *hop.Route) {
			r.MaxGRPCTimeout, o.StreamIdle = 50*time.Millisecond, time.Second
		}, "4", "response_timeout", event.FlagUT},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := c.change
			if change == nil {
				change = func(*relay.Options, *hop.Route) {}
			}
			p := start(t, c.upstream, 2, change)
			a := call(t, p, c.timeout)
			if b := body(t, a); a.StatusCode != 200 || b != "" || a.Header.Get("Grpc-Status") != c.status ||
				!strings.Contains(a.Header.Get("Grpc-Message"), c.message) || a.Header.Get("Content-Type") != "application/grpc+proto" {
				t.Errorf("answer %s %v %q", a.Status, a.Header, b)
			}
			x := p.spans.find(t, ofKind(event.Server))
			if x.GRPC == nil || x.Flags != c.flags || !strings.Contains(x.StatusMessage, c.message) || x.Protocol != event.GRPC || x.GRPC.Method != "shop.Cart/Add" {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
		})
	}
}

// The upstream is told how much time is left, and both spans tell the call.
func TestDeadlineIsPassedOn(t *testing.T) {
	got := make(chan string, 1)
	p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Grpc-Timeout")
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		io.WriteString(w, "\x00\x00\x00\x00\x02ok")
		w.Header().Set("Grpc-Status", "5")
	}), 2, func(_ *relay.Options, r *hop.Route) { r.MaxGRPCTimeout = time.Hour })
	a := call(t, p, "7H")
	if b := body(t, a); b != "\x00\x00\x00\x00\x02ok" || a.Trailer.Get("Grpc-Status") != "5" {
		t.Errorf("answer %q %v", b, a.Trailer)
	}
	left, err := time.ParseDuration(strings.NewReplacer("n", "ns", "u", "us", "m", "ms", "S", "s").Replace(<-got))
	if err != nil || left > time.Hour || left < time.Hour-time.Minute {
		t.Errorf("the upstream has %v, %v", left, err)
	}
	for _, k := range []event.Kind{event.Client, event.Server} {
		x := p.spans.find(t, ofKind(k))
		if g := x.GRPC; g == nil || g.Status != 5 || g.RequestMessages != 1 || g.ResponseMessages != 1 || x.Protocol != event.GRPC ||
			x.Name != "shop.Cart/Add" || (x.Status == event.Error) != (k == event.Client) {
			t.Errorf("span %s", x.AppendJSON(nil))
		}
	}
}

// A deadline that passes while the answer streams ends it with a status.
func TestDeadlineInAnswer(t *testing.T) {
	p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		io.WriteString(w, "\x00\x00\x00\x00\x02ok")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}), 2)
	a := call(t, p, "200m")
	if b := body(t, a); b != "\x00\x00\x00\x00\x02ok" || a.Trailer.Get("Grpc-Status") != "4" {
		t.Errorf("answer %q %v", b, a.Trailer)
	}
	if x := p.spans.find(t, ofKind(event.Server)); x.Flags != event.FlagUT || x.GRPC.Status != 4 || x.GRPC.ResponseMessages != 1 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}
