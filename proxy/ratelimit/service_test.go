package ratelimit

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// counting is a rate limit service whose answers the test makes.
type counting struct {
	rls.UnimplementedRateLimitServiceServer
	mu     sync.Mutex
	asked  []*rls.RateLimitRequest
	answer func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error)
}

func (c *counting) ShouldRateLimit(ctx context.Context, r *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
	c.mu.Lock()
	c.asked = append(c.asked, r)
	answer := c.answer
	c.mu.Unlock()
	return answer(ctx, r)
}

func (c *counting) answers(f func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

func (c *counting) always(r *rls.RateLimitResponse) {
	c.answers(func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error) { return r, nil })
}

// questions are those that came since the last call, as text.
func (c *counting) questions() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.asked {
		text := strings.ReplaceAll(prototext.MarshalOptions{}.Format(r), "  ", " ")
		all = append(all, text)
	}
	c.asked = nil
	return all
}

func (c *counting) listen(t *testing.T, address string) (bound string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	rls.RegisterRateLimitServiceServer(s, c)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	stop = sync.OnceFunc(func() { s.Stop(); serving.Wait() })
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

var fine = &rls.RateLimitResponse{OverallCode: rls.RateLimitResponse_OK}

// asking is a guard that asks a service at that address, and what it tells.
func asking(t *testing.T, address, text string, change func(*config.RateLimitService)) (*Guard, *Service, *notices) {
	t.Helper()
	g, heard := guard(t, text)
	cluster := upstream.New(upstream.Options{Name: "rls", Endpoints: upstream.Addresses(address)})
	t.Cleanup(cluster.Close)
	c := &config.RateLimitService{Address: address, Domain: "test", Timeout: patience}
	if change != nil {
		change(c)
	}
	s, err := NewService(c, func() *upstream.Cluster { return cluster }, heard.take)
	if err != nil {
		t.Fatal(err)
	}
	g.set.Use(s)
	t.Cleanup(s.Close)
	return g, s, heard
}

const byTenant = "- name: tenants\n  global: true\n  headers: true\n  actions: [{generic_key: {descriptor_value: web}}, {request_headers: {header_name: x-tenant, descriptor_key: tenant}}]\n"

func TestQuestionsToTheService(t *testing.T) {
	c := &counting{}
	c.always(fine)
	address, _ := c.listen(t, "127.0.0.1:0")
	acme := "GET / from 10.0.0.1\nx-tenant: acme"
	for _, q := range []struct{ name, limits, head, want string }{
		{"entries", byTenant, acme, `domain:"test" descriptors:{entries:{key:"generic_key" value:"web"} entries:{key:"tenant" value:"acme"}} hits_addend:1`},
		{"no descriptor, no question", byTenant, "GET / from 10.0.0.1", ""},
		{"several, hits alike", byTenant + "- {global: true, actions: [{remote_address: {}}]}", acme,
			`domain:"test" descriptors:{entries:{key:"generic_key" value:"web"} entries:{key:"tenant" value:"acme"}} descriptors:{entries:{key:"remote_address" value:"10.0.0.1"}} hits_addend:1`},
		{"several, each with its hits", "- {global: true, hits_addend: 5, actions: [{route: {}}]}\n- {global: true, hits_addend: 2, actions: [{remote_address: {}}]}", acme,
			`domain:"test" descriptors:{entries:{key:"route" value:"all"} hits_addend:{value:5}} descriptors:{entries:{key:"remote_address" value:"10.0.0.1"} hits_addend:{value:2}}`},
		{"stages one after the other", "- {global: true, stage: 3, actions: [{remote_address: {}}]}\n- {global: true, actions: [{route: {}}]}", acme,
			`domain:"test" descriptors:{entries:{key:"route" value:"all"}} hits_addend:1|domain:"test" descriptors:{entries:{key:"remote_address" value:"10.0.0.1"}} hits_addend:1`},
	} {
		t.Run(q.name, func(t *testing.T) {
			g, _, _ := asking(t, address, q.limits, nil)
			if f := g.Admit(t.Context(), question(t, q.head)); f != nil {
				t.Errorf("refused: %+v", f)
			}
			if got := strings.Join(c.questions(), "|"); got != q.want {
				t.Errorf("asked\n%s\nwant\n%s", got, q.want)
			}
		})
	}
}

// The service may be told what to allow.
func TestOverridesInQuestions(t *testing.T) {
	c := &counting{}
	c.always(fine)
	address, _ := c.listen(t, "127.0.0.1:0")
	for _, unit := range []string{"second", "minute", "hour", "day", "month", "year"} {
		g, _, _ := asking(t, address, "- {global: true, limit_override: {requests_per_unit: 7, unit: "+unit+"}, actions: [{route: {}}]}\n- {global: true, actions: [{remote_address: {}}]}", nil)
		g.Admit(t.Context(), question(t, "GET / from 10.0.0.1"))
		want := `domain:"test" descriptors:{entries:{key:"route" value:"all"} limit:{requests_per_unit:7 unit:` + strings.ToUpper(unit) +
			`}} descriptors:{entries:{key:"remote_address" value:"10.0.0.1"}} hits_addend:1`
		if got := strings.Join(c.questions(), "|"); got != want {
			t.Errorf("asked\n%s\nwant\n%s", got, want)
		}
	}
}

func TestVerdictsOfTheService(t *testing.T) {
	c := &counting{}
	address, _ := c.listen(t, "127.0.0.1:0")
	for _, v := range []struct{ name, limits, answer, want string }{
		{"over", byTenant, `overall_code: OVER_LIMIT`, "429 request_rate_limited x-envoy-ratelimited=true"},
		{"over, in shadow", byTenant + "  enforce: false\n", `overall_code: OVER_LIMIT`, "goes on"},
		{"over by one that is in shadow", byTenant + "- {global: true, enforce: false, actions: [{remote_address: {}}]}",
			`overall_code: OVER_LIMIT statuses {code: OK} statuses {code: OVER_LIMIT}`, "goes on"},
		{"over by one that is not", byTenant + "- {global: true, enforce: false, actions: [{remote_address: {}}]}",
			`overall_code: OVER_LIMIT statuses {code: OVER_LIMIT} statuses {code: OK}`, "429 request_rate_limited x-envoy-ratelimited=true"},
		{"statuses that do not tell which", byTenant, `overall_code: OVER_LIMIT statuses {code: OK}`, "429 request_rate_limited x-envoy-ratelimited=true"},
		{"the service's own words", byTenant, `overall_code: OVER_LIMIT raw_body: "slow down" response_headers_to_add {key: "Retry-After" value: "7"} response_headers_to_add {key: "Content-Length" value: "1"} response_headers_to_add {key: "a b" value: "1"} response_headers_to_add {key: "c" value: "1\r\nd: 2"}`,
			`429 request_rate_limited "slow down" x-envoy-ratelimited=true retry-after=7`},
		{"fields for both sides", byTenant, `overall_code: OK response_headers_to_add {key: "X-Plan" value: "gold"} request_headers_to_add {key: "x-checked" value: "yes"}`,
			"goes on answer x-plan=gold request x-checked=yes"},
		{"numbers", byTenant, `overall_code: OK statuses {code: OK current_limit {requests_per_unit: 10 unit: MINUTE} limit_remaining: 4 duration_until_reset {seconds: 12 nanos: 1}}`,
			"goes on answer x-ratelimit-limit=10, 10;w=60 answer x-ratelimit-remaining=4 answer x-ratelimit-reset=13"},
	} {
		t.Run(v.name, func(t *testing.T) {
			r := new(rls.RateLimitResponse)
			if err := prototext.Unmarshal([]byte(v.answer), r); err != nil {
				t.Fatal(err)
			}
			c.always(r)
			g, _, _ := asking(t, address, v.limits, nil)
			q := question(t, "GET / from 10.0.0.1\nx-tenant: acme")
			if got := verdict(g.Admit(t.Context(), q), q); got != v.want {
				t.Errorf("%s\nwant %s", got, v.want)
			}
		})
	}
}

// verdict is what became of q, as text.
func verdict(f *route.Failure, q *route.Question) string {
	var b strings.Builder
	b.WriteString("goes on")
	if f != nil {
		b.Reset()
		b.WriteString(map[int]string{429: "429", 500: "500"}[f.Status] + " " + f.Detail)
		if f.Body != "" {
			b.WriteString(" \"" + f.Body + "\"")
		}
		for _, h := range f.Fields {
			b.WriteString(" " + string(h.Name) + "=" + string(h.Value))
		}
	}
	for _, h := range q.Answer {
		b.WriteString(" answer " + string(h.Name) + "=" + string(h.Value))
	}
	for _, h := range q.Request {
		b.WriteString(" request " + string(h.Name) + "=" + string(h.Value))
	}
	return b.String()
}

// What the service refuses has used up nothing of the buckets here.
func TestAGlobalRefusalGivesTokensBack(t *testing.T) {
	c := &counting{}
	c.always(&rls.RateLimitResponse{OverallCode: rls.RateLimitResponse_OVER_LIMIT})
	address, _ := c.listen(t, "127.0.0.1:0")
	g, _, heard := asking(t, address, byTenant+"- token_bucket: {max_tokens: 1, fill_interval: 1h}", nil)
	q := question(t, "GET / from 10.0.0.1\nx-tenant: acme")
	for range 3 {
		if f := g.Admit(t.Context(), q); f == nil || f.Detail != "request_rate_limited" {
			t.Errorf("%+v", f)
		}
	}
	if all := heard.drain(); len(all) != 1 || !strings.Contains(all[0], "pitot.rate_limit.key=generic_key=web, tenant=acme") {
		t.Errorf("%q", all)
	}
}

func failing(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
	return nil, errors.New("broken")
}

func TestWithoutTheServiceRequestsGoOnOrNot(t *testing.T) {
	c := &counting{}
	address, _ := c.listen(t, "127.0.0.1:0")
	for name, answer := range map[string]func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error){
		"error": failing,
		"vague": func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
			return &rls.RateLimitResponse{}, nil
		},
		"late": func(ctx context.Context, _ *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		for _, deny := range []bool{false, true} {
			c.answers(answer)
			g, s, _ := asking(t, address, byTenant, func(c *config.RateLimitService) {
				c.Deny = deny
				if name == "late" {
					c.Timeout = 20 * time.Millisecond
				}
			})
			f := g.Admit(t.Context(), question(t, "GET / from 10.0.0.1\nx-tenant: acme"))
			if deny != (f != nil && f.Status == 500 && f.Flags == event.FlagRLSE) {
				t.Errorf("%s, deny %v: %+v", name, deny, f)
			}
			if s.failed.Load() != 1 || deny == (s.allowed.Load() == 1) || g.stages[0][0].unanswered.Load() != 1 {
				t.Errorf("%s, deny %v: %+v", name, deny, s.Stats())
			}
		}
	}
}

// A client that has gone is no failure of the service, and nobody waits for it.
func TestTheWaitEndsWithItsRequest(t *testing.T) {
	c := &counting{}
	here := make(chan struct{})
	c.answers(func(ctx context.Context, _ *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
		close(here)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	address, _ := c.listen(t, "127.0.0.1:0")
	g, s, _ := asking(t, address, byTenant, func(c *config.RateLimitService) { c.Timeout = time.Minute; c.Deny = true })
	ctx, leave := context.WithCancel(t.Context())
	over := make(chan *route.Failure)
	go func() { over <- g.Admit(ctx, question(t, "GET / from 10.0.0.1\nx-tenant: acme")) }()
	<-here
	leave()
	select {
	case f := <-over:
		if f != nil || s.failed.Load() != 0 {
			t.Errorf("%+v, %+v", f, s.Stats())
		}
	case <-time.After(patience):
		t.Fatal("still waits")
	}
}

// Who is away is not asked by everybody, and is asked again when it is back:
// the listener comes back at its old address, without a restart of the proxy.
func TestAServiceThatIsAwayCostsNothing(t *testing.T) {
	c := &counting{}
	c.always(fine)
	address, stop := c.listen(t, "127.0.0.1:0")
	g, s, heard := asking(t, address, byTenant, nil)
	now := int64(0)
	s.now = func() int64 { return now }
	q := func() *route.Failure { return g.Admit(t.Context(), question(t, "GET / from 10.0.0.1\nx-tenant: acme")) }
	if q() != nil || s.ok.Load() != 1 {
		t.Fatal("does not answer")
	}
	stop()
	c.questions()
	for range 100 {
		if f := q(); f != nil {
			t.Fatal(f)
		}
	}
	if s.failed.Load() != 100 || s.allowed.Load() != 100 || s.unasked.Load() != 100-tripAfter {
		t.Errorf("%+v", s.Stats())
	}
	if all := heard.drain(); len(all) != 1 || !strings.HasPrefix(all[0], event.EventLimiter) || !strings.Contains(all[0], "go on without it") {
		t.Errorf("%q", all)
	}
	c.listen(t, address)
	for deadline := time.Now().Add(patience); s.ok.Load() < 2; now += longestPause {
		if time.Now().After(deadline) {
			t.Fatalf("is not asked again: %+v", s.Stats())
		}
		q()
	}
	if all := heard.drain(); len(all) != 1 || !strings.Contains(all[0], "answers again, after") || s.breaker.open() {
		t.Errorf("%q", all)
	}
}

func TestBreaker(t *testing.T) {
	const s = int64(time.Second)
	var b breaker
	for i := range 4 {
		if b.failed(0) != i+1 || !b.allows(0) {
			t.Fatalf("failure %d", i)
		}
	}
	if b.succeeded() || b.failed(0) != 1 { // only what comes in a row counts
		t.Fatal("a success does not begin anew")
	}
	for range 3 {
		b.failed(0)
	}
	if b.failed(0) != tripAfter || b.allows(s-1) || b.failed(s-1) != 0 {
		t.Fatal("does not open")
	}
	at := s
	for _, pause := range []int64{2, 4, 8, 10, 10} {
		if !b.allows(at) || b.allows(at) {
			t.Fatalf("at %d s not just one tries", at/s)
		}
		if b.failed(at) <= tripAfter || b.allows(at+pause*s-1) {
			t.Fatalf("after %d s the pause is not %d s", at/s, pause)
		}
		at += pause * s
	}
	if !b.allows(at) {
		t.Fatal("nobody tries")
	}
	b.gaveUp() // the client went
	if !b.allows(at) || !b.succeeded() || b.open() || !b.allows(at) {
		t.Fatal("does not close")
	}
}

// What is under way ends in order when another service takes the place.
func TestCloseWaitsForAnswers(t *testing.T) {
	c := &counting{}
	here, go_ := make(chan struct{}), make(chan struct{})
	c.answers(func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
		close(here)
		<-go_
		return &rls.RateLimitResponse{OverallCode: rls.RateLimitResponse_OVER_LIMIT, ResponseHeadersToAdd: []*core.HeaderValue{{Key: "a", RawValue: []byte("b")}}}, nil
	})
	address, _ := c.listen(t, "127.0.0.1:0")
	g, s, _ := asking(t, address, byTenant, nil)
	over := make(chan *route.Failure)
	go func() { over <- g.Admit(t.Context(), question(t, "GET / from 10.0.0.1\nx-tenant: acme")) }()
	<-here
	g.set.Use(nil)
	s.Close()
	close(go_)
	if f := <-over; f == nil || f.Status != 429 || string(f.Fields[1].Value) != "b" {
		t.Errorf("%+v", f)
	}
	if g.Admit(t.Context(), question(t, "GET / from 10.0.0.1\nx-tenant: acme")) != nil {
		t.Error("refused without a service")
	}
}
