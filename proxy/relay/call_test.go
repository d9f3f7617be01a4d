package relay_test

import (
	"context"
	"io"
	"testing"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/route"
)

// parrot says what it is told, times times, then ends with a status.
type parrot struct {
	times, status int
	text          string
	wait          bool // until the client has gone
}

func (p parrot) Call(ctx context.Context, method string, request []byte, send func([]byte) error) (int, string) {
	for range p.times {
		if err := send(append([]byte(method+" "), request...)); err != nil {
			return 2, err.Error()
		}
	}
	if p.wait {
		<-ctx.Done()
	}
	return p.status, p.text
}

// answering has the proxy answer calls by itself.
func answering(t *testing.T, p parrot) func(*relay.Options, *hop.Route) {
	table, err := route.New(&config.Listener{}, nil, func(*config.Route) ([]route.Guard, error) { return nil, nil })
	if err == nil {
		err = table.Add(route.Own{Name: "own", Service: "shop.Cart", Calls: p}, &config.Listener{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(o *relay.Options, _ *hop.Route) {
		o.Rules.Route = func(h *http1.Head) *hop.Route { return table.Find(h) }
	}
}

// Calls that the proxy answers are told as others are.
func TestCallsAnsweredHere(t *testing.T) {
	for name, p := range map[string]parrot{
		"a message":       {times: 1},
		"messages":        {times: 3, status: 5, text: "no more"},
		"a status":        {status: 12, text: "no such thing"},
		"nothing but 0":   {},
		"its deadline":    {wait: true},
		"late in answers": {times: 1, wait: true},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := start(t, "127.0.0.1:1", 2, answering(t, p))
			timeout := ""
			if p.wait {
				timeout = "50m"
			}
			a := call(t, proxy, timeout)
			b, err := io.ReadAll(a.Body)
			a.Body.Close()
			status, want := a.Trailer.Get("Grpc-Status"), string(rune('0'+p.status))
			if p.times == 0 {
				status = a.Header.Get("Grpc-Status")
			}
			if p.status == 12 {
				want = "12"
			} else if p.wait {
				want = "4"
			}
			const message = "shop.Cart/Add hello"
			if err != nil || a.StatusCode != 200 || len(b) != p.times*(5+len(message)) || status != want {
				t.Errorf("answer %s %q, %v, status %q, want %q", a.Status, b, err, status, want)
			}
			x := proxy.spans.find(t, ofKind(event.Server))
			if g := x.GRPC; g == nil || g.RequestMessages != 1 || int(g.ResponseMessages) != p.times || event.GRPCStatus(g.Status) != event.GRPCStatus(atoi(want)) ||
				x.Route != "own" || x.Cluster != "" || (x.Flags == event.FlagUT) != p.wait {
				t.Errorf("told as %s", x.AppendJSON(nil))
			}
		})
	}
}

func atoi(s string) (n int32) {
	for _, c := range s {
		n = n*10 + int32(c-'0')
	}
	return n
}

// A client that leaves ends the call, and so does a proxy that ends.
func TestCallsAnsweredHereEnd(t *testing.T) {
	proxy := start(t, "127.0.0.1:1", 2, answering(t, parrot{times: 1, wait: true, status: 14}))
	a := call(t, proxy, "")
	a.Body.Close()
	if x := proxy.spans.find(t, ofKind(event.Server)); x.Flags != event.FlagDC {
		t.Errorf("told as %s", x.AppendJSON(nil))
	}
	a = call(t, proxy, "")
	proxy.engine.Retire()
	if _, err := io.ReadAll(a.Body); err != nil || a.Trailer.Get("Grpc-Status") != "14" {
		t.Errorf("a proxy that ends gives %v, %v", a.Trailer, err)
	}
	a.Body.Close()
}
