package relay_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
)

// health is a server of gRPC whose calls fail so many times.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	calls, failures atomic.Int64
	early           bool // sends the head before it fails
	next            chan bool
}

func (h *health) fails() bool { return h.calls.Add(1) <= h.failures.Load() }

func (h *health) Check(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if h.fails() {
		if h.early {
			_ = grpc.SendHeader(ctx, metadata.Pairs("early", "yes"))
		}
		return nil, status.Error(codes.Unavailable, "not now "+r.Service)
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// Watch sends a message and its status, or a second one where it is told to.
func (h *health) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	fails := h.fails()
	if err := s.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}); err != nil {
		return err
	}
	if h.next != nil {
		<-h.next
		_ = s.Send(&grpc_health_v1.HealthCheckResponse{})
	}
	if fails {
		return status.Error(codes.Unavailable, "at the end")
	}
	return nil
}

// serving starts a server of gRPC, and a client of it through a proxy.
func serving(t *testing.T, h *health, change ...func(*relay.Options, *hop.Route)) (*proxy, grpc_health_v1.HealthClient) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, h)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	p := start(t, l.Addr().String(), 2, change...)
	c, err := grpc.NewClient("passthrough:///"+p.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return p, grpc_health_v1.NewHealthClient(c)
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// A call is retried by its status, in the head of an answer without a message
// and after that.
func TestCallsAreRetried(t *testing.T) {
	for name, early := range map[string]bool{"trailers only": false, "trailers": true} {
		t.Run(name, func(t *testing.T) {
			h := &health{early: early}
			h.failures.Store(2)
			p, c := serving(t, h, retries(t, "unavailable", func(c *config.Retry) { c.Most = 2 }))
			var head metadata.MD
			a, err := c.Check(within(t), &grpc_health_v1.HealthCheckRequest{Service: "a"}, grpc.Header(&head))
			if err != nil || a.Status != grpc_health_v1.HealthCheckResponse_SERVING || h.calls.Load() != 3 || len(head.Get("early")) != 0 {
				t.Errorf("%v, %v after %d calls, head %v", a, err, h.calls.Load(), head)
			}
			x, tries := p.tried(3)
			if x.GRPC.Status != 0 || x.GRPC.RequestMessages != 1 || x.GRPC.ResponseMessages != 1 || x.Status == event.Error {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
			for i, a := range tries {
				if failed := i < 2; a.GRPC == nil || (a.GRPC.Status == 14) != failed || (a.Status == event.Error) != failed ||
					failed && a.ErrorType != "UNAVAILABLE" || a.Protocol != event.GRPC || a.Name != x.Name {
					t.Errorf("try %d: %s", i, a.AppendJSON(nil))
				}
			}
		})
	}
}

// A call that gets its message and then its status is held back until that is
// here.
func TestMessageIsHeldBack(t *testing.T) {
	h := new(health)
	h.failures.Store(1)
	p, c := serving(t, h, retries(t, "unavailable"))
	s, err := c.Watch(within(t), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil; n++ {
		_, err = s.Recv()
	}
	if n != 2 || err.Error() != "EOF" {
		t.Errorf("%d messages, then %v", n-1, err)
	}
	if _, tries := p.tried(2); tries[0].GRPC.Status != 14 || tries[1].Retried != "unavailable" {
		t.Errorf("span %s", tries[0].AppendJSON(nil))
	}
}

// The message of a stream is not held back for what comes after it.
func TestStreamsPass(t *testing.T) {
	h := &health{next: make(chan bool, 1)}
	h.failures.Store(1)
	p, c := serving(t, h, retries(t, "unavailable"))
	s, err := c.Watch(within(t), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil { // what comes after it waits for this
		t.Fatal(err)
	}
	h.next <- true
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
	if x, _ := p.tried(1); x.GRPC.Status != 14 || x.GRPC.ResponseMessages != 2 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// A client that leaves while an answer is held back ends it.
func TestClientLeavesHeldStream(t *testing.T) {
	h := &health{next: make(chan bool, 1)}
	p, c := serving(t, h, retries(t, "unavailable"))
	ctx, cancel := context.WithCancel(within(t))
	s, err := c.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if x := p.spans.find(t, ofKind(event.Server)); x.Flags != event.FlagDC {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
	h.next <- true
}

// What fails for good fails in gRPC's words, and a deadline covers all tries.
func TestCallsFail(t *testing.T) {
	h := new(health)
	h.failures.Store(1 << 30)
	p, c := serving(t, h, retries(t, "unavailable", func(c *config.Retry) { c.Most = 1 }))
	if _, err := c.Check(within(t), &grpc_health_v1.HealthCheckRequest{Service: "x"}); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "not now x") {
		t.Errorf("%v", err)
	}
	if x, _ := p.tried(2); x.Flags != event.FlagURX || x.GRPC.Status != 14 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
	p, c = serving(t, h, retries(t, "unavailable", func(c *config.Retry) {
		c.Most, c.BackOff = 100, config.RetryBackOff{Base: 200 * time.Millisecond, Max: 200 * time.Millisecond}
	}))
	ctx, cancel := context.WithTimeout(within(t), 1500*time.Millisecond)
	defer cancel()
	if _, err := c.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "x"}); status.Code(err) != codes.DeadlineExceeded && status.Code(err) != codes.Unavailable {
		t.Errorf("%v", err)
	}
	if x := p.spans.find(t, ofKind(event.Server)); x.Attempt < 1 || time.Duration(x.Duration()) > patience/2 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}
