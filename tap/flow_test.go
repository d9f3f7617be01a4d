package tap

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

var conn = decode.Conn{Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("10.0.0.2:80"), Limits: decode.DefaultLimits()}

// scripted is a decoder that does what its functions say.
type scripted struct {
	feed   func(b []byte, emit event.Emitter) error
	closed int
}

func (s *scripted) Feed(_ event.Dir, _ int64, b []byte, emit event.Emitter) error {
	return s.feed(b, emit)
}
func (s *scripted) Gap(event.Dir, int64, int64, event.Emitter) {}
func (s *scripted) End(event.Dir, int64, event.Emitter)        {}
func (s *scripted) Close(int64, event.Emitter)                 { s.closed++ }

type names map[string]string

func (n names) Lookup(a netip.AddrPort) string { return n[a.String()] + n[a.Addr().String()] }

func TestFlowNamesBothSides(t *testing.T) {
	known := names{"10.0.0.2:80": "shop", "10.0.0.1": "web"}
	for _, c := range []struct {
		why           string
		x             event.Exchange
		names         Names
		meta          string
		service, peer string
	}{
		{"configured names", event.Exchange{}, known, "", "shop", "web"},
		{"no names: the server's address", event.Exchange{}, nil, "", "10.0.0.2:80", ""},
		{"no name, but the connection knows", event.Exchange{}, nil, "orders", "orders", ""},
		{"client span: the caller is the service", event.Exchange{Kind: event.Client}, known, "", "web", "shop"},
		{"client span: the decoder learned the caller", event.Exchange{Kind: event.Client, Service: "cart-app"}, nil, "mongo", "cart-app", "mongo"},
		{"client span: nothing known", event.Exchange{Kind: event.Client}, nil, "", "10.0.0.1", "10.0.0.2:80"},
	} {
		var r testkit.Recorder
		x := c.x
		x.Client, x.Server = conn.Client, conn.Server
		f := NewFlow(&scripted{feed: func(_ []byte, e event.Emitter) error { e.Exchange(&x); return nil }}, conn, Meta{Names: c.names, Service: c.meta, IDs: RandomIDs{}}, &r)
		f.Feed(event.ToServer, 1, nil)
		got := r.Exchanges[0]
		if got.Service != c.service || got.Peer != c.peer {
			t.Errorf("%s: service %q peer %q", c.why, got.Service, got.Peer)
		}
		if got.TraceID.IsZero() || got.SpanID.IsZero() {
			t.Errorf("%s: no ids", c.why)
		}
	}
}

func TestABrokenDecoderIsToldOnceAndAskedNoMore(t *testing.T) {
	for why, feed := range map[string]func([]byte, event.Emitter) error{
		"lost":  func([]byte, event.Emitter) error { return fmt.Errorf("x: %w", decode.ErrLost) },
		"panic": func(b []byte, _ event.Emitter) error { _ = b[9]; return nil },
	} {
		var r testkit.Recorder
		calls := 0
		f := NewFlow(&scripted{feed: func(b []byte, e event.Emitter) error { calls++; return feed(b, e) }}, conn, Meta{}, &r)
		f.Feed(event.ToServer, 1, []byte("a"))
		f.Feed(event.ToServer, 2, []byte("b"))
		f.Gap(event.ToClient, 3, 9)
		f.End(event.ToClient, 3)
		f.Close(4)
		if calls != 1 || len(r.Notices) != 1 || r.Notices[0].Name != event.EventDecodeFailure {
			t.Errorf("%s: fed %d times, notices %+v", why, calls, r.Notices)
		}
	}
}

func TestDerivedIDsAreStableAndDistinct(t *testing.T) {
	seen := map[event.SpanID]bool{}
	for ordinal := range uint64(100) {
		a := event.Exchange{Client: conn.Client, Server: conn.Server, Start: 5}
		b := a
		DerivedIDs{}.Fill(&a, ordinal)
		DerivedIDs{}.Fill(&b, ordinal)
		if a.TraceID != b.TraceID || a.SpanID != b.SpanID {
			t.Fatal("the same exchange got two ids")
		}
		if seen[a.SpanID] {
			t.Fatal("two exchanges got one id")
		}
		seen[a.SpanID] = true
	}
	given := event.Exchange{TraceID: event.TraceID{1}, SpanID: event.SpanID{2}}
	for _, ids := range []IDs{DerivedIDs{}, RandomIDs{}} {
		x := given
		ids.Fill(&x, 0)
		if x.TraceID != given.TraceID || x.SpanID != given.SpanID {
			t.Errorf("%T replaced ids that were there", ids)
		}
	}
}

func TestFlowMarksWhereTrafficWasSeen(t *testing.T) {
	var r testkit.Recorder
	f := NewFlow(decode.NewOpaque(conn), conn, Meta{Listener: "in", Cluster: "c", Endpoint: "e:1", Route: "r", Capture: "before", Decode: event.Truncated}, &r)
	f.Feed(event.ToServer, 1, []byte("hello"))
	f.Close(2)
	x := r.Exchanges[0]
	got := strings.Join([]string{x.Listener, x.Cluster, x.Endpoint, x.Route, x.Capture}, " ")
	if got != "in c e:1 r before" || x.Decode&event.Truncated == 0 || x.RequestBytes != 5 {
		t.Errorf("%s %+v", got, x)
	}
}
