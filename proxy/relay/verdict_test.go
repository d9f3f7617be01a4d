package relay_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// results are those that a cluster's observers are told.
type results chan upstream.Result

func (r results) Report(_ *upstream.Host, x upstream.Result) { r <- x }

// A call counts by its status, wherever that stands.
func TestWhatCallsCountAs(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   int
	}{
		{"trailers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write([]byte("\x00\x00\x00\x00\x02hi"))
			w.Header().Set("Grpc-Status", "14")
		}, 503},
		{"trailers only", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "5")
		}, 404},
		{"OK", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write([]byte("\x00\x00\x00\x00\x02hi"))
			w.Header().Set("Grpc-Status", "0")
		}, 200},
		{"no status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := make(results, 10)
			p := start(t, origin(t, c.answer), 2, func(_ *relay.Options, r *hop.Route) { r.Cluster.Observe(told) })
			body(t, call(t, p, ""))
			select {
			case r := <-told:
				if r.Status != c.want || r.Failure != upstream.NoFailure {
					t.Errorf("counted as %+v, want %d", r, c.want)
				}
			case <-time.After(patience):
				t.Error("not told")
			}
		})
	}
}

// A host that is checked may say by itself that it fails, in either version.
func TestHostsThatSayTheyFail(t *testing.T) {
	at := origin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Envoy-Immediate-Health-Check-Fail", "true")
	})
	for _, version := range []int{1, 2} {
		told := make(results, 10)
		p := start(t, at, version, func(_ *relay.Options, r *hop.Route) {
			r.Cluster = upstream.New(upstream.Options{Name: "checked", Endpoints: upstream.Addresses(at), Checked: true})
			t.Cleanup(r.Cluster.Close)
			r.Cluster.Observe(told)
		})
		body(t, call(t, p, ""))
		select {
		case r := <-told:
			if !r.Failing {
				t.Errorf("HTTP/%d: %+v", version, r)
			}
		case <-time.After(patience):
			t.Error("not told")
		}
	}
}
