package retry

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// equals is a condition that a field has that value.
type equals struct{ name, value string }

func (e equals) Header(h *http1.Head) bool { return string(h.Get(e.name)) == e.value }

func match(f *config.FieldMatch) (Matcher, error) { return equals{f.Name, f.Exact}, nil }

func policy(t *testing.T, on string, change ...func(*config.Retry)) *Policy {
	t.Helper()
	c := config.DefaultRetry()
	c.On = strings.Fields(on)
	for _, f := range change {
		f(&c)
	}
	p, err := New(&c, match)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// head is a head of that status with fields "name: value".
func head(status int, fields ...string) *http1.Head {
	h := &http1.Head{Status: status}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		h.Fields = append(h.Fields, http1.Field{Name: []byte(name), Value: []byte(value)})
	}
	return h
}

// The configuration takes the same names as the policy knows.
func TestNames(t *testing.T) {
	if c := config.RetryConditions(); !slices.Equal(c, Names()) {
		t.Errorf("the configuration has %q, the policy %q", c, Names())
	}
	if p, err := New(nil, match); p != nil || err != nil {
		t.Errorf("no policy is %v, %v", p, err)
	}
	if _, err := New(&config.Retry{On: []string{"6xx"}}, match); err == nil {
		t.Error("an unknown condition is taken")
	}
}

func TestDecide(t *testing.T) {
	all := strings.Join(Names(), " ")
	lost := Outcome{Kind: Lost, Status: -1, Sent: true}
	answer := func(status int, fields ...string) Outcome {
		return Outcome{Kind: Answered, Head: head(status, fields...), Status: -1, Sent: true}
	}
	call := func(status int) Outcome { return Outcome{Kind: Answered, Head: head(200), Status: status, Sent: true} }
	for _, tt := range []struct {
		on   string
		o    Outcome
		want string
	}{
		{"5xx", answer(500), "5xx"}, {"5xx", answer(599), "5xx"}, {"5xx", answer(499), ""}, {"5xx", lost, "5xx"},
		{"5xx", Outcome{Kind: Late, Sent: true}, "5xx"}, {"5xx", Outcome{Kind: NoConnection}, "5xx"},
		{"gateway-error", answer(500), ""}, {"gateway-error", answer(501), ""}, {"gateway-error", answer(502), "gateway-error"},
		{"gateway-error", answer(503), "gateway-error"}, {"gateway-error", answer(504), "gateway-error"}, {"gateway-error", answer(505), ""},
		{"gateway-error", lost, "gateway-error"},
		{"reset", lost, "reset"}, {"reset", answer(503), ""}, {"reset", Outcome{Kind: Still, Sent: true}, "reset"},
		{"reset-before-request", lost, ""}, {"reset-before-request", Outcome{Kind: Lost}, "reset-before-request"},
		{"reset-before-request", Outcome{Kind: Refused, Sent: true}, "reset-before-request"},
		{"connect-failure", lost, ""}, {"connect-failure", Outcome{Kind: NoConnection}, "connect-failure"}, {"connect-failure", answer(503), ""},
		{"refused-stream", lost, ""}, {"refused-stream", Outcome{Kind: Refused, Sent: true}, "refused-stream"},
		{"retriable-4xx", answer(409), "retriable-4xx"}, {"retriable-4xx", answer(404), ""}, {"retriable-4xx", lost, ""},
		{"retriable-status-codes", answer(418), "retriable-status-codes"}, {"retriable-status-codes", answer(419), ""},
		{"5xx", answer(418), ""},
		{"retriable-headers", answer(200, "again: yes"), "retriable-headers"}, {"retriable-headers", answer(200, "again: no"), ""},
		{"5xx", answer(503, "x-envoy-ratelimited: true"), ""}, {all, answer(503, "x-envoy-ratelimited: true"), "envoy-ratelimited"},
		{"envoy-ratelimited", answer(429, "X-Envoy-RateLimited: "), "envoy-ratelimited"}, {"envoy-ratelimited", answer(429), ""},
		{"cancelled", call(1), "cancelled"}, {"deadline-exceeded", call(4), "deadline-exceeded"}, {"resource-exhausted", call(8), "resource-exhausted"},
		{"internal", call(13), "internal"}, {"unavailable", call(14), "unavailable"}, {"unavailable", call(13), ""}, {"unavailable", call(0), ""},
		{"unavailable", lost, ""}, {all, call(2), ""}, {all, call(-1), ""},
		{"http3-post-connect-failure", lost, ""}, {all, Outcome{Kind: Over}, ""}, {"", lost, ""}, {"", answer(503), ""},
		{all, Outcome{Kind: NoConnection}, "connect-failure"}, {all, lost, "reset"}, {all, answer(503), "gateway-error"}, {all, answer(500), "5xx"},
	} {
		n := policy(t, tt.on, func(c *config.Retry) {
			c.StatusCodes, c.Headers = []int{418}, []config.FieldMatch{{Name: "again", Exact: "yes"}}
		}).For(head(0), false)
		if got := n.Wants(&tt.o).String(); got != tt.want {
			t.Errorf("%q after %+v: %q, want %q", tt.on, tt.o, got, tt.want)
		}
	}
}

// A try whose request may have been acted on is not repeated by default.
func TestDefaultIsSafe(t *testing.T) {
	c := config.DefaultRetry()
	p, err := New(&c, match)
	if err != nil {
		t.Fatal(err)
	}
	n := p.For(head(0), false)
	for _, k := range []Kind{Lost, Late, Still} {
		if got := n.Wants(&Outcome{Kind: k, Sent: true}); got != 0 {
			t.Errorf("kind %d is repeated for %s", k, got)
		}
	}
	if got := n.Wants(&Outcome{Kind: Answered, Head: head(503), Sent: true}); got != 0 {
		t.Errorf("503 is repeated for %s", got)
	}
}

func TestCallersSay(t *testing.T) {
	p := policy(t, "reset")
	asks := head(0, "X-Envoy-Max-Retries: 3", "x-envoy-retry-on: 5xx, unknown,unavailable", "x-envoy-retry-grpc-on: unavailable,5xx",
		"x-envoy-retriable-status-codes: 418, x,419", "x-envoy-retriable-header-names: Again, ", "x-envoy-hedge-on-per-try-timeout: true",
		"x-envoy-upstream-rq-per-try-timeout-ms: 250", "x-envoy-other: 1")
	if n := p.For(asks, false); n.Left != 1 || n.On != Reset || n.PerTry != 0 || n.OnTime {
		t.Errorf("a caller that is not believed gets %+v", n)
	}
	n := p.For(asks, true)
	if n.Left != 3 || n.On != Reset|Server|Unavailable || n.PerTry != 250*time.Millisecond || !n.OnTime ||
		!slices.Equal(n.statuses, []int{418, 419}) || len(n.fields) != 1 {
		t.Errorf("a caller that is believed gets %+v", n)
	}
	if n := p.For(head(0, "x-envoy-max-retries: 1000000", "x-envoy-upstream-rq-per-try-timeout-ms: -1"), true); n.Left != MostAsked || n.PerTry != 0 {
		t.Errorf("plan %+v", n)
	}
	for i := range asks.Fields {
		if f := asks.Fields[i].Name; Ours(f) != (i < 7) {
			t.Errorf("%s: ours %t", f, Ours(f))
		}
	}
	only := policy(t, "5xx", func(c *config.Retry) { c.RequestHeaders = []config.FieldMatch{{Name: "safe", Exact: "1"}} })
	for value, want := range map[string]int{"safe: 1": 1, "safe: 0": 0} {
		if n := only.For(head(0, value), false); n.Left != want {
			t.Errorf("%s: %d retries", value, n.Left)
		}
	}
}

// The waits are those that Envoy's code draws: [0, 25), [0, 50), and so on.
func TestBackOff(t *testing.T) {
	b := BackOff{25 * time.Millisecond, 250 * time.Millisecond}
	for n, want := range []time.Duration{25, 50, 100, 200, 250, 250, 250} {
		var asked int64
		if got := b.Wait(n, func(n int64) int64 { asked = n; return n - 1 }); got != want*time.Millisecond-1 || asked != int64(want*time.Millisecond) {
			t.Errorf("wait %d is up to %v of %v", n, got, time.Duration(asked))
		}
	}
	if got := b.Wait(1<<40, func(n int64) int64 { return n - 1 }); got != 250*time.Millisecond-1 {
		t.Errorf("a late wait is %v", got)
	}
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		d := b.Wait(2, rand.Int64N)
		least, most = min(least, d), max(most, d)
	}
	if least > time.Millisecond || most < 99*time.Millisecond || most >= 100*time.Millisecond {
		t.Errorf("waits from %v to %v, want all of [0, 100ms)", least, most)
	}
}

func TestAsked(t *testing.T) {
	const now = 1_800_000_000 * int64(1e9)
	for field, want := range map[string]time.Duration{
		"retry-after: 7": 7 * time.Second, "Retry-After:  300 ": 300 * time.Second, "retry-after: 301": 0, "retry-after: -1": 0, "retry-after: soon": 0,
		"retry-after: " + time.Unix(now/1e9+9, 0).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"): 9 * time.Second,
		"x-ratelimit-reset: 1800000005": 5 * time.Second, "x-ratelimit-reset: 1799999999": 0, "x-ratelimit-reset: 1800000301": 0,
		"x-ratelimit-reset: 9223372036854775807": 0, "x-ratelimit-reset: -9223372036854775808": 0, "other: 1": 0,
	} {
		if got := max(0, Asked(head(503, field), now, 300*time.Second)); got != want {
			t.Errorf("%s: %v, want %v", field, got, want)
		}
	}
	if got := Asked(head(503, "retry-after: 7"), now, 0); got != 0 {
		t.Errorf("believed %v", got)
	}
	for _, draw := range []int64{0, 3499999999} {
		if got := Limited(7*time.Second, func(n int64) int64 {
			if n != 3_500_000_000 {
				t.Errorf("drawn from %d", n)
			}
			return draw
		}); got != 7*time.Second+time.Duration(draw) {
			t.Errorf("wait %v", got)
		}
	}
}

func TestLatency(t *testing.T) {
	l, now := new(Latency), int64(1e18)
	for i := range enough - 1 {
		l.Observe(now, time.Duration(i)*time.Millisecond)
	}
	if d := l.Quantile(now, .95); d != 0 {
		t.Errorf("of too few it says %v", d)
	}
	for i := range 10_000 {
		l.Observe(now, time.Duration(i)*time.Microsecond*10) // up to 100 ms
	}
	for q, want := range map[float64]float64{.5: 50, .95: 95, .99: 99} {
		got := float64(l.Quantile(now+1e9, q)) / 1e6
		if got < want || got > want*1.15 {
			t.Errorf("quantile %v is %v ms, want %v", q, got, want)
		}
	}
	for range 1000 {
		l.Observe(now+turn, time.Second)
	}
	if d := l.Quantile(now+turn, .99); d < time.Second || d > 1300*time.Millisecond {
		t.Errorf("after one turn %v", d)
	}
	if d := l.Quantile(now+turn, .5); d > 100*time.Millisecond {
		t.Errorf("what came before is forgotten: %v", d)
	}
	if d := l.Quantile(now+5*turn, .5); d != 0 {
		t.Errorf("what is old is still told: %v", d)
	}
	for _, d := range []time.Duration{-1, 0, 1, time.Hour, 1<<63 - 1} {
		l.Observe(now+5*turn, d)
	}
}

// Every time is within its bucket's bounds.
func TestPlaces(t *testing.T) {
	for d := time.Duration(1 << smallest); d < time.Minute; d += d/9 + 1 {
		i := place(d)
		if up := upper(i); d >= up || float64(up) > float64(d)*1.15 {
			t.Fatalf("%v is in the bucket up to %v", d, up)
		}
	}
}

func TestAllocations(t *testing.T) {
	p := policy(t, "5xx unavailable")
	request, answer := head(0, "accept: x", "x-envoy-max-retries: 2"), head(503, "a: b")
	if n := testing.AllocsPerRun(100, func() {
		plan := p.For(request, true)
		plan.Wants(&Outcome{Head: answer, Status: 14})
		p.Latency.Observe(1, time.Second)
		p.After(1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCaller(f *testing.F) {
	f.Add("x-envoy-retry-on", "5xx,unavailable", "retry-after", "3", 503, 14)
	f.Add("x-envoy-max-retries", "99999999999999999999", "x-ratelimit-reset", "-9223372036854775808", 200, -1)
	f.Add("x-envoy-retriable-status-codes", ",,418,", "x-envoy-ratelimited", "", 418, 0)
	p, _ := New(&config.Retry{On: Names(), Most: 1, StatusCodes: []int{418}}, match)
	f.Fuzz(func(t *testing.T, name, value, field, said string, status, code int) {
		n := p.For(head(0, name+": "+value), true)
		if n.Left < 0 || n.Left > MostAsked || n.PerTry < 0 {
			t.Fatalf("plan %+v", n)
		}
		h := head(status, field+": "+said)
		o := Outcome{Head: h, Status: code, Sent: true}
		got := n.Wants(&o)
		if got&(got-1) != 0 {
			t.Fatalf("more than one reason: %b", got)
		}
		if got != 0 && n.On&got == 0 {
			t.Fatalf("%s, which nobody asked for", got)
		}
		if d := Asked(h, 1e18, time.Minute); d > time.Minute {
			t.Fatalf("waits %v", d)
		}
	})
}
