package demo

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/internal/minimongo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// background runs f until the test ends and reports what it returns.
func background(t *testing.T, name string, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
}

func TestTheShopServesItsCustomers(t *testing.T) {
	m, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	free, err := takePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free.release)
	at := free.free
	background(t, "orders", func(ctx context.Context) error {
		return RunOrders(ctx, OrdersOptions{Listen: at[0], Mongo: m.URI(), Seed: true})
	})
	background(t, "shop", func(ctx context.Context) error {
		return RunShop(ctx, ShopOptions{Listen: at[1], Orders: "http://" + at[0]})
	})
	for _, a := range at {
		if err := awaitHTTP(t.Context(), "http://"+a+"/health", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	got, err := RunLoad(t.Context(), LoadOptions{Target: "http://" + at[1], For: 3 * time.Second, Rate: 150})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", got)
	if got.Requests < 50 || got.Failed != 0 {
		t.Errorf("%d requests, %d failed", got.Requests, got.Failed)
	}
	for _, status := range []int{http.StatusOK, http.StatusNotFound, http.StatusConflict, http.StatusInternalServerError} {
		if got.ByStatus[status] == 0 {
			t.Errorf("no request was answered with %d", status)
		}
	}
	if got.ByStatus[http.StatusBadGateway] != 0 {
		t.Errorf("%d requests found no orders service", got.ByStatus[http.StatusBadGateway])
	}
	for _, route := range []string{"GET /cart/{id}", "POST /cart/{id}/pay", "GET /products", "GET /search", "GET /report"} {
		if got.ByRoute[route] == 0 {
			t.Errorf("no request for %s", route)
		}
	}
	seen := m.Commands()
	for _, name := range []string{"find", "getMore", "aggregate", "insert", "update", "findAndModify", "commitTransaction", "abortTransaction"} {
		if seen[name] == 0 {
			t.Errorf("no %s reached the server: %v", name, seen)
		}
	}
}

func TestAConnectionNobodyUsesDoesNotKeepAServiceFromEnding(t *testing.T) {
	free, err := takePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free.release)
	at := free.free
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- RunShop(ctx, ShopOptions{Listen: at[0], Orders: "http://127.0.0.1:1"}) }()
	if err := awaitHTTP(t.Context(), "http://"+at[0]+"/health", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", at[0])
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := awaitHTTP(t.Context(), "http://"+at[0]+"/health", 10*time.Second); err != nil { // accepted after nc
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the shop ended with %v", err)
	}
}

func TestTraceContextIsContinuedOrBegun(t *testing.T) {
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	a, b := traceOf(r).parent(), traceOf(r).parent()
	if a[:36] != "00-0af7651916cd43dd8448eb211c80319c-" || a[len(a)-3:] != "-00" || len(a) != 55 || a == b {
		t.Errorf("continued as %s and %s", a, b)
	}
	for _, bad := range []string{"", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "nonsense"} {
		r.Header.Set("Traceparent", bad)
		if got := traceOf(r); len(got.id) != 32 || got.id == traceOf(r).id {
			t.Errorf("%q begins %+v", bad, got)
		}
	}
}

func TestCommentsNameTheLineTheyStandOn(t *testing.T) {
	s := here()
	s.function = "(*Orders).loadCart"
	s.file, s.line = "demo/cart.go", 56
	tr := trace{"0af7651916cd43dd8448eb211c80319c", "01"}
	for got, want := range map[string]string{
		s.lyft():     `{"callingFunction":"Orders.loadCart","hostname":"orders-1"}`,
		s.fileLine(): "demo/cart.go:56",
		s.frame():    "Orders.loadCart (demo/cart.go:56)",
		cutParent(s.sqlcommenter(tr, "/catalog")): "action='loadCart',application='orders',db_driver='mongo-go',route='%2Fcatalog',traceparent='00-0af7651916cd43dd8448eb211c80319c-",
		cutParent(s.datadog(tr)):                  "Orders.loadCart,dddbs='shop',dde='demo',ddps='orders',ddpv='1.4.2',traceparent='00-0af7651916cd43dd8448eb211c80319c-",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if real := here(); real.function != "TestCommentsNameTheLineTheyStandOn" || real.file != "demo/services_test.go" || real.line < 100 {
		t.Errorf("here is %+v", real)
	}
}

// cutParent leaves out the span id, which is new each time, and what follows.
func cutParent(s string) string { return s[:len(s)-len("b7ad6b7169203331-01'")] }
