package http2

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// requests that differ in one thing each.
var alike = []string{
	":method GET\n:scheme http\n:authority shop.example:81\n:path /cart/7?a=b\nuser-agent probe/1",
	":method PUT\n:scheme http\n:authority shop.example:81\n:path /cart/7?a=b\nuser-agent probe/1",
	":method BREW\n:scheme http\n:authority shop.example:81\n:path /cart/7?a=b\nuser-agent probe/1",
	":method GET\n:scheme https\n:authority shop.example:81\n:path /cart/7?a=b\nuser-agent probe/1",
	":method GET\n:scheme gopher\n:authority shop.example:81\n:path /cart/7?a=b\nuser-agent probe/1",
	":method GET\n:scheme http\n:authority shop.example:82\n:path /cart/7?a=b\nuser-agent probe/1",
	":method GET\n:scheme http\n:path /cart/7?a=b\nuser-agent probe/1\nhost [::1]:7",
	":method GET\n:scheme http\n:authority shop.example:81\n:path /cart/8?a=b\nuser-agent probe/1",
	":method GET\n:scheme http\n:authority shop.example:81\n:path /cart/7?a=c\nuser-agent probe/1",
	":method GET\n:scheme http\n:authority shop.example:81\n:path /cart/7?token=c\nuser-agent probe/1",
	":method GET\n:scheme http\n:authority shop.example:81\n:path /cart/7?a=b\nuser-agent probe/2",
	":method GET\n:scheme http\n:authority shop.example:81\n:path /cart/7?a=b\nuser-agent probe/1\nx-request-id 1",
	":method GET\n:scheme http\n:authority shop.example:81\n:path /cart/7?a=b\nuser-agent probe/1\ntraceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\ntracestate a=b",
	":method GET\n:scheme http\n:authority shop.example:81\n:path /" + strings.Repeat("long/", 200) + "\nuser-agent probe/1",
	":method OPTIONS\n:scheme http\n:authority shop.example:81\n:path *",
	":method CONNECT\n:authority shop.example:81",
}

// What a request is told as does not hang on those before it.
func TestRequestsThatComeAgain(t *testing.T) {
	text := func(talk *talk) (all []string) {
		r := testkit.Play(fresh(), 0, talk.pieces...)
		for i := range r.Exchanges {
			x := r.Exchanges[i]
			x.HTTP2, x.SpanID, x.Start, x.FirstByte, x.End, x.RequestBytes, x.ResponseBytes = nil, event.SpanID{}, 1, 2, 3, 0, 0
			all = append(all, string(x.AppendJSON(nil)))
		}
		return all
	}
	var want []string
	for _, fields := range alike {
		want = append(want, text(hello().headers(event.ToServer, 1, true, fields).answer(1, true, "404"))...)
	}
	if len(want) != len(alike) {
		t.Fatalf("%d exchanges of %d requests", len(want), len(alike))
	}
	talk, order := hello(), rand.New(rand.NewPCG(1, 2))
	var asked []int
	for i := range 600 {
		k := order.IntN(len(alike))
		if i > 300 {
			k = i / 4 % len(alike)
		}
		asked = append(asked, k)
		talk.headers(event.ToServer, uint32(2*i+1), true, alike[k]).answer(uint32(2*i+1), true, "404")
	}
	got := text(talk)
	for i, k := range asked {
		if got[i] != want[k] {
			t.Fatalf("request %d:\ngot  %swant %s", i, got[i], want[k])
		}
	}
}
