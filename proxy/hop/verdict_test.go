package hop

import (
	"testing"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

func TestCallStatus(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "0": 200, "1": 499, "2": 500, "3": 400, "4": 504, "5": 404, "6": 409, "7": 403, "8": 429, "9": 400, "10": 409, "11": 400,
		"12": 501, "13": 500, "14": 503, "15": 500, "16": 401, "17": 500, "99999999999999999999": 500, "-1": 500, "OK": 500,
	} {
		if got := CallStatus([]byte(text)); got != want {
			t.Errorf("%q counts as %d, want %d", text, got, want)
		}
	}
}

func TestWhatAClusterIsTold(t *testing.T) {
	for _, c := range []struct {
		o    Outcome
		want upstream.Result
	}{
		{Outcome{Answered: true, Status: 200}, upstream.Result{Status: 200}},
		{Outcome{Answered: true, Status: 200, Call: 503}, upstream.Result{Status: 503}},
		{Outcome{Answered: true, Status: 200, Failing: true}, upstream.Result{Status: 200, Failing: true}},
		{Outcome{Status: 200, Failing: true, Failure: UpstreamReset}, upstream.Result{Failure: upstream.RxReset}},
	} {
		if got := c.o.result(new(event.Exchange)); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.o, got, c.want)
		}
	}
}

func TestFailing(t *testing.T) {
	yes := &http1.Head{Fields: []http1.Field{{Name: []byte("X-Envoy-Immediate-Health-Check-Fail"), Value: []byte("true")}}}
	checked := upstream.New(upstream.Options{Endpoints: upstream.Addresses("a"), Checked: true}).Hosts()[0]
	if !Failing(checked, yes) || Failing(checked, new(http1.Head)) {
		t.Error("a host that is checked is not believed, or said nothing")
	}
	if Failing(upstream.New(upstream.Options{Endpoints: upstream.Addresses("a")}).Hosts()[0], yes) {
		t.Error("a host that nobody checks could never come back")
	}
}
