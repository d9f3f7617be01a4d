package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

func TestCallsOfGRPCAreToldByTheirStatus(t *testing.T) {
	for want, x := range map[string]*event.Exchange{
		"grpc UNAVAILABLE": {Protocol: event.GRPC, HTTP: &event.HTTP{StatusCode: 200}, GRPC: &event.RPC{Status: 14}},
		"grpc OK":          {Protocol: event.HTTP11, HTTP: &event.HTTP{StatusCode: 200}, GRPC: &event.RPC{Web: "text"}},
		"grpc CANCEL": {Protocol: event.GRPC, Status: event.Error, ErrorType: "CANCEL", Decode: event.NoResponse, HTTP: &event.HTTP{},
			HTTP2: &event.H2{Reset: "CANCEL"}, GRPC: &event.RPC{Status: -1}},
		"grpc none": {Protocol: event.GRPC, Decode: event.NoResponse, HTTP: &event.HTTP{}, GRPC: &event.RPC{Status: -1}},
		"grpc 502":  {Protocol: event.GRPC, HTTP: &event.HTTP{StatusCode: 502}, GRPC: &event.RPC{Status: -1}},
		"h2 200":    {Protocol: event.HTTP2, HTTP: &event.HTTP{StatusCode: 200}, HTTP2: &event.H2{Reset: "NO_ERROR"}},
	} {
		if got := protocolOf(x) + " " + status(x); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDetailsOfACallNameItsStatusAndMessages(t *testing.T) {
	v := newLive(newLook(false, true, time.UTC))
	v.chosen = &event.Exchange{
		Protocol: event.GRPC, Name: "shop.Cart/Get", Start: 1, End: 2e6, Status: event.Error, ErrorType: "UNAVAILABLE", StatusMessage: "no\x1b[2J cart",
		HTTP: &event.HTTP{StatusCode: 200}, GRPC: &event.RPC{Method: "shop.Cart/Get", Status: 14, Message: "no\x1b[2J cart", RequestMessages: 3, Streaming: "client_stream"},
	}
	got := strings.Join(v.pane(120, 60), "\n")
	for _, want := range []string{"shop.Cart/Get", "UNAVAILABLE", "no.[2J cart", "pitot.grpc.request_messages        3", "client_stream"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
func TestShortKeepsTheEndOfAMethod(t *testing.T) {
	for _, c := range []struct {
		s    string
		w    int
		want string
	}{
		{"    grpc.testing.TestService/UnaryCall", 22, "    ~Service/UnaryCall"},
		{"shop.Cart/Load", 14, "shop.Cart/Load"},
		{"shop.Cart/Load", 6, "~/Load"},
		{"shop.Cart/Load", 1, "shop.Cart/Load"}, // fit cuts what has no room at all
		{"GET /cart/{id}/pay", 8, "GET /cart/{id}/pay"},
		{"/only/a/path", 8, "/only/a/path"},
	} {
		if got := short(c.s, c.w); got != c.want {
			t.Errorf("short(%q, %d) = %q, want %q", c.s, c.w, got, c.want)
		}
	}
}
