package fault

import (
	"context"
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told keeps what is told.
type told struct {
	mu  sync.Mutex
	all []event.Notice
}

func (t *told) tell(n *event.Notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, *n)
}

// set compiles faults as a file has them; clients of 10.0.0.0/8 are trusted.
func set(t *testing.T, text string) (*Set, *Stats, *told) {
	t.Helper()
	c := config.Default()
	l := &config.Listener{Protocol: config.Auto, UseRemote: true}
	faults, err := c.ParseFaults(l, text)
	if err != nil {
		t.Fatal(err)
	}
	stats, said := new(Stats), new(told)
	s, err := New(faults, Options{Stats: stats, Where: "here", Tell: said.tell})
	if err != nil {
		t.Fatal(err)
	}
	return s, stats, said
}

func question(t *testing.T, fields ...string) *route.Question {
	t.Helper()
	h := new(http1.Head)
	text := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(fields, "\r\n"), "\r\n")
	if n, err := h.ParseRequest([]byte(text), http1.Strict, decode.DefaultLimits()); n == 0 || err != nil {
		t.Fatal(n, err)
	}
	return &route.Question{Head: h, Exchange: new(event.Exchange), Client: netip.MustParseAddr("10.1.2.3")}
}

func TestDelaysFollowTheirDistribution(t *testing.T) {
	for text, want := range map[string][3]time.Duration{ // at 0, a half and 1
		"fixed: 1s":                                   {time.Second, time.Second, time.Second},
		"from: 1s, to: 3s":                            {time.Second, 2 * time.Second, 3 * time.Second},
		"percentiles: {50: 20ms, 99: 1s}":             {0, 20 * time.Millisecond, time.Second},
		"percentiles: {p25: 10ms, 75: 30ms, 100: 1s}": {0, 20 * time.Millisecond, time.Second},
	} {
		s, _, _ := set(t, "[{delay: {"+text+"}}]")
		for i, u := range []float64{0, .5, 1} {
			if got := s.faults[0].delay.at(u); (got - want[i]).Abs() > time.Microsecond {
				t.Errorf("%s: %v of all take up to %v, want %v", text, u, got, want[i])
			}
		}
	}
}

func TestPercentagesHold(t *testing.T) {
	for text, want := range map[string]float64{"10%": .1, "0.5%": .005, "50/100": .5, "250/10000": .025, "1000/1000000": .001, "0%": 0, "100%": 1} {
		s, stats, _ := set(t, "[{abort: {status: 503, percent: "+text+"}}]")
		q, n := question(t), 40_000
		for range n {
			s.Admit(context.Background(), q)
		}
		got := float64(stats.Aborts.Load()) / float64(n)
		if limit := 6 * math.Sqrt(want*(1-want)/float64(n)); math.Abs(got-want) > limit {
			t.Errorf("%s: %v, want %v within %v", text, got, want, limit)
		}
	}
}

func TestDelayComesBeforeAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stats, _ := set(t, "[{delay: {fixed: 2s}, abort: {grpc: unavailable}}]")
		q, began := question(t), time.Now()
		f := s.Admit(t.Context(), q)
		if f == nil || f.Status != 503 || f.GRPC != 14 || f.Flags != event.FlagFI || q.Exchange.Flags != event.FlagDI || time.Since(began) != 2*time.Second {
			t.Errorf("%+v with flags %v after %v", f, q.Exchange.Flags, time.Since(began))
		}
		if stats.Delays.Load() != 1 || stats.Aborts.Load() != 1 || stats.Active.Load() != 0 {
			t.Errorf("counted %+v", stats.All())
		}
		time.Sleep(time.Minute) // of synctest: lets the report end
	})
}

func TestOneWhoLeavesIsNotDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stats, _ := set(t, "[{delay: {fixed: 1h}, abort: {status: 500}}]")
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if f := s.Admit(ctx, question(t)); f != nil || stats.Active.Load() != 0 || stats.Aborts.Load() != 0 {
			t.Errorf("%+v, %+v", f, stats.All())
		}
		time.Sleep(time.Minute)
	})
}

func TestTheFirstFaultThatFitsDecides(t *testing.T) {
	s, _, _ := set(t, `[{match: {headers: [{name: x-a, exact: "1"}]}, abort: {status: 501}}, {match: {clients: [192.0.2.0/24]}, abort: {status: 502}}, {match: {commands: [find]}, abort: {reset: true}}, {match: {clients: [10.1.2.3]}, abort: {status: 504}}, {abort: {status: 505}}]`)
	for _, tt := range []struct {
		field, client string
		want          int
	}{{"x-a: 1", "192.0.2.1", 501}, {"x-a: 2", "192.0.2.1", 502}, {"x-b: 1", "10.1.2.3", 504}, {"x-b: 1", "::ffff:10.1.2.4", 505}} {
		q := question(t, tt.field)
		q.Client = netip.MustParseAddr(tt.client)
		if f := s.Admit(t.Context(), q); f == nil || f.Status != tt.want {
			t.Errorf("%v: %+v", tt, f)
		}
	}
}

func TestRequestsMayAskForFaults(t *testing.T) {
	const text = "[{headers: true, trusted: [10.0.0.0/8], abort: {status: 503, percent: %}}]"
	for _, tt := range []struct {
		percent string
		fields  []string
		want    lot
	}{
		{"100%", nil, lot{abort: abort{status: 503}}},
		{"100%", []string{"x-envoy-fault-abort-request: 404"}, lot{abort: abort{status: 404}}},
		{"100%", []string{"x-envoy-fault-abort-request: 404", "x-envoy-fault-abort-request-percentage: 0"}, lot{}},
		{"0%", []string{"x-envoy-fault-abort-grpc-request: 5"}, lot{abort: abort{grpc: 5}}},
		{"100%", []string{"x-envoy-fault-abort-request: 99"}, lot{abort: abort{status: 503}}},
		{"0%", []string{"x-envoy-fault-delay-request: 1500"}, lot{delay: 1500 * time.Millisecond}},
		{"0%", []string{"x-envoy-fault-delay-request: 99999999"}, lot{}},
		{"0%", []string{"x-envoy-fault-delay-request: -1"}, lot{}},
		{"0%", []string{"x-envoy-fault-throughput-response: 2"}, lot{rates: [2]int64{event.ToClient: 2048}}},
		{"0%", []string{"x-envoy-fault-throughput-response: 2", "x-envoy-fault-throughput-response-percentage: 0"}, lot{}},
	} {
		s, _, _ := set(t, strings.Replace(text, "%", tt.percent, 1))
		if got := s.faults[0].lot(question(t, tt.fields...)); got != tt.want {
			t.Errorf("%s of %s: %+v, want %+v", tt.fields, tt.percent, got, tt.want)
		}
		q := question(t, tt.fields...)
		q.Client = netip.MustParseAddr("192.0.2.1")
		if got := s.faults[0].lot(q); got != (lot{}) && tt.percent == "0%" {
			t.Errorf("a stranger who asks %s gets %+v", tt.fields, got)
		}
	}
}

func TestPaceHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stats, _ := set(t, "[{response_rate: {limit: 1KiB}, request_rate: {limit: 10}, cut: {after: 5KiB}}]")
		q := question(t)
		if f := s.Admit(t.Context(), q); f != nil || q.Pacer == nil || q.Exchange.Flags != event.FlagDI || stats.Active.Load() != 1 {
			t.Fatalf("%+v, %+v", f, q)
		}
		passed, began := 0, time.Now()
		for {
			n, f := q.Pacer.Pace(t.Context(), event.ToClient, 1<<20)
			if passed += n; f != nil {
				break
			}
		}
		if d := time.Since(began); passed != 5<<10 || d < 4*time.Second || d > 5*time.Second {
			t.Errorf("%d bytes in %v", passed, d)
		}
		began = time.Now()
		for range 11 {
			if n, f := q.Pacer.Pace(t.Context(), event.ToServer, 3); n != 1 || f != nil {
				t.Fatalf("%d bytes at once, %v", n, f)
			}
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("10 bytes and one more took %v", d)
		}
		q.Pacer.Done()
		if stats.Active.Load() != 0 || stats.Cuts.Load() != 1 || stats.RequestRate.Load() != 1 || stats.ResponseRate.Load() != 1 {
			t.Errorf("counted %+v", stats.All())
		}
		time.Sleep(time.Minute)
	})
}

func TestNoMoreThanSoManyAtOnce(t *testing.T) {
	s, stats, _ := set(t, "[{response_rate: {limit: 1KiB}, max_active: 2}]")
	var all []route.Pacer
	for range 3 {
		q := question(t)
		if s.Admit(t.Context(), q); q.Pacer != nil {
			all = append(all, q.Pacer)
		}
	}
	if len(all) != 2 || stats.Overflow.Load() != 1 {
		t.Errorf("%d are slowed down, %+v", len(all), stats.All())
	}
	for _, p := range all {
		p.Done()
	}
	q := question(t)
	if s.Admit(t.Context(), q); q.Pacer == nil {
		t.Error("after the end of these none is")
	}
}

func TestAFaultIsToldNotEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, said := set(t, "[{name: flaky, abort: {status: 503}}]")
		for range 25 {
			s.Admit(t.Context(), question(t))
			time.Sleep(1100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		var got []string
		for _, n := range said.all {
			a := ""
			for _, kv := range n.Attributes[2:] {
				a += " " + kv.Value
			}
			got = append(got, n.Body+a)
		}
		const want = "fault flaky of here is injected begin 1|fault flaky of here goes on goes_on 10|fault flaky of here goes on goes_on 19|" +
			"fault flaky of here goes on goes_on 25|fault flaky of here has ended end 25"
		if strings.Join(got, "|") != want {
			t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "|"), want)
		}
	})
}
