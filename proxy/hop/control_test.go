package hop

import (
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

func asked(t *testing.T, fields string) *http1.Head {
	t.Helper()
	h := new(http1.Head)
	if _, err := h.ParseRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n"), http1.Strict, decode.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	return h
}

// namesOf are the names that go on of those that begin with x-envoy.
func namesOf(fields []http1.Field) string {
	var all []string
	for _, f := range fields {
		if n := strings.ToLower(string(f.Name)); strings.HasPrefix(n, "x-envoy") || n == "y-envoy-a" {
			all = append(all, n)
		}
	}
	return strings.Join(all, " ")
}

func TestControlFieldsOfClientsAreDropped(t *testing.T) {
	const fields = "x-envoy-max-retries: 9\r\nX-Envoy-Retry-On: 5xx\r\nx-envoy-retry-grpc-on: internal\r\nx-envoy-retriable-status-codes: 404\r\n" +
		"x-envoy-retriable-header-names: a\r\nx-envoy-hedge-on-per-try-timeout: true\r\nx-envoy-upstream-rq-per-try-timeout-ms: 1\r\n" +
		"x-envoy-fault-delay-request: 1\r\nx-envoy-internal: true\r\nx-envoy-decorator-operation: a\r\nx-envoy-original-path: /lie\r\n" +
		"x-envoy-upstream-rq-timeout-ms: 5\r\nx-envoy: stays\r\nx-envoys-own: stays\r\ny-envoy-a: stays\r\n"
	for trust, want := range map[bool]string{
		false: "x-envoy x-envoys-own y-envoy-a",
		true: "x-envoy-max-retries x-envoy-retry-on x-envoy-retry-grpc-on x-envoy-retriable-status-codes x-envoy-retriable-header-names " +
			"x-envoy-hedge-on-per-try-timeout x-envoy-upstream-rq-per-try-timeout-ms x-envoy-fault-delay-request x-envoy-internal " +
			"x-envoy-decorator-operation x-envoy-original-path x-envoy x-envoys-own y-envoy-a",
	} {
		f := Forwarding{Trust: trust, Scheme: "http"}
		if got := namesOf(f.Fields(asked(t, fields), new(event.Exchange))); got != want {
			t.Errorf("trust %t: %q, want %q", trust, got, want)
		}
	}
}

func TestTimeoutsThatCallersAskFor(t *testing.T) {
	for _, c := range []struct {
		trust bool
		value string
		want  time.Duration
	}{
		{true, "250", 250 * time.Millisecond}, {true, "0", 0}, {true, "99999999999", mostAsked * time.Millisecond},
		{true, "-1", time.Minute}, {true, "soon", time.Minute}, {false, "250", time.Minute},
	} {
		p := Passage{Route: &route.Route{Timeout: time.Minute}}
		p.Trust, p.Scheme = c.trust, "http"
		fields := p.Forwarding.Fields(asked(t, "x-envoy-upstream-rq-timeout-ms: "+c.value+"\r\n"), new(event.Exchange))
		if got := p.Timeout(); got != c.want || namesOf(fields) != "" {
			t.Errorf("%+v: %v, and %q goes on", c, got, namesOf(fields))
		}
		p.Forwarding.Fields(asked(t, ""), new(event.Exchange))
		if p.Timeout() != time.Minute {
			t.Errorf("%+v: it is the next request's, too", c)
		}
	}
}
