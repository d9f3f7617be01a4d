package probe

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	health "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func checking(clusters map[string]*upstream.Cluster, least config.Pairs) *Check {
	l := &config.Listener{Cluster: "shop", HealthCheck: config.HealthCheck{GRPC: true, Clusters: least}}
	return NewCheck(l, New(), func(name string) *upstream.Cluster { return clusters[name] })
}

// ask is a call whose messages are given back.
func ask(t *testing.T, c *Check, method string, in proto.Message) (messages [][]byte, status int) {
	t.Helper()
	b, err := proto.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	status, _ = c.Call(ctx, service+"/"+method, b, func(m []byte) error {
		messages = append(messages, bytes.Clone(m))
		return nil
	})
	return messages, status
}

func statusOf(t *testing.T, b []byte) health.HealthCheckResponse_ServingStatus {
	t.Helper()
	var r health.HealthCheckResponse
	if err := proto.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r.Status
}

func TestClustersDecide(t *testing.T) {
	clusters := map[string]*upstream.Cluster{
		"shop":  upstream.New(upstream.Options{Name: "shop", Endpoints: upstream.Addresses("127.0.0.1:1")}),
		"empty": upstream.New(upstream.Options{Name: "empty"}),
	}
	for _, c := range []struct {
		name           string
		least          config.Pairs
		fail           bool
		say            string
		own, shop, all health.HealthCheckResponse_ServingStatus
	}{
		{"well", nil, false, "ok\n", 1, 1, 0},
		{"enough", config.Pairs{{Name: "shop", Value: "100%"}}, false, "ok\n", 1, 1, 0},
		{"too few", config.Pairs{{Name: "empty", Value: "1%"}}, false, "unhealthy\n", 2, 1, 2},
		{"gone", config.Pairs{{Name: "gone", Value: "1%"}}, false, "unhealthy\n", 2, 1, 0},
		{"failed", config.Pairs{{Name: "empty", Value: "1%"}}, true, "failed\n", 2, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := checking(clusters, c.least)
			check.state.Fail(c.fail)
			if r := check.Answer(); r.Body != c.say || (r.Status == 200) != (c.say == "ok\n") {
				t.Errorf("answer %+v", r)
			}
			for name, want := range map[string]health.HealthCheckResponse_ServingStatus{"": c.own, "shop": c.shop, "empty": c.all} {
				got, status := ask(t, check, "Check", &health.HealthCheckRequest{Service: name})
				if want == 0 {
					if status != statusNotFound {
						t.Errorf("%q gives status %d", name, status)
					}
				} else if len(got) != 1 || status != statusOK || statusOf(t, got[0]) != want {
					t.Errorf("%q gives %q, status %d", name, got, status)
				}
			}
		})
	}
}

func TestListNamesTheListenersClusters(t *testing.T) {
	clusters := map[string]*upstream.Cluster{"shop": upstream.New(upstream.Options{Endpoints: upstream.Addresses("127.0.0.1:1")}), "other": nil}
	got, status := ask(t, checking(clusters, nil), "List", &health.HealthListRequest{})
	var list health.HealthListResponse
	if len(got) != 1 || status != statusOK || proto.Unmarshal(got[0], &list) != nil || len(list.Statuses) != 2 ||
		list.Statuses["shop"].GetStatus() != serving || list.Statuses[""].GetStatus() != serving {
		t.Errorf("%v, status %d", &list, status)
	}
}

// Hosts that nobody would choose do not count.
func TestSharesOfHosts(t *testing.T) {
	shop := upstream.New(upstream.Options{Endpoints: upstream.Addresses("h:1", "h:2", "h:3", "h:4")})
	check := checking(map[string]*upstream.Cluster{"shop": shop}, config.Pairs{{Name: "shop", Value: "50%"}})
	for i, want := range []string{"ok\n", "ok\n", "unhealthy\n", "unhealthy\n"} {
		shop.Hosts()[i].Mark(upstream.Ejected, true)
		if r := check.Answer(); r.Body != want {
			t.Errorf("with %d of 4 ejected: %q", i+1, r.Body)
		}
	}
	shop.Hosts()[0].Mark(upstream.Ejected, false)
	whole := checking(map[string]*upstream.Cluster{"shop": shop}, nil)
	if got, _ := ask(t, whole, "Check", &health.HealthCheckRequest{Service: "shop"}); statusOf(t, got[0]) != serving {
		t.Error("one healthy host is not enough")
	}
}

// A watch ends when it cannot be told.
func TestWatchEnds(t *testing.T) {
	c := checking(nil, nil)
	status, _ := c.Call(t.Context(), service+"/Watch", nil, func([]byte) error { return errors.New("gone") })
	if status == statusOK {
		t.Error("a watch that cannot be told is over in order")
	}
}

// What is asked is read as protobuf has it, whatever stands beside it.
func FuzzAsked(f *testing.F) {
	for _, r := range []*health.HealthCheckRequest{{}, {Service: "shop"}} {
		b, _ := proto.Marshal(r)
		f.Add(b)
	}
	f.Add([]byte{0x0a, 0x7f})
	f.Add([]byte{0x0a, 1, 'a', 0x0a, 1, 'b', 0x10, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		name, ok := asked(b)
		var r health.HealthCheckRequest
		if err := proto.Unmarshal(b, &r); err == nil && (!ok || name != r.Service) {
			t.Errorf("%q, %v; protobuf reads %q", name, ok, r.Service)
		}
	})
}
