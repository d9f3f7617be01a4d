package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// means are what a proxy can be told to do against trouble, as lines of its
// listener and of its cluster. "nothing" is what it does without being told.
var means = []struct{ name, listener, cluster string }{
	{"nothing", "", noBreaker},
	{"connect back-off", "", ""},
	{"retries", retries, noBreaker + budget},
	{"health checks", "", noBreaker + checks},
	{"outlier detection", "", noBreaker + outliers},
	{"hedging", hedging, noBreaker + budget},
	{"all", hedging, checks + outliers + budget},
}

const (
	budget    = "    retry_budget: {percent: 50, min_retries: 8}\n"
	noBreaker = "    connect_backoff: {base: 0s}\n"
	retries   = "    retry: {retry_on: [gateway-error, reset-before-request, connect-failure, reset], num_retries: 2, per_try_timeout: 200ms, host_predicates: [previous_hosts]}\n"
	hedging   = "    retry: {retry_on: [gateway-error, reset-before-request, connect-failure, reset], num_retries: 2, per_try_timeout: 200ms, host_predicates: [previous_hosts], hedge: {on_per_try_timeout: true, delay: 50ms}}\n"
	checks    = "    health_checks: [{interval: 100ms, timeout: 100ms, no_traffic_interval: 100ms, unhealthy_threshold: 2, healthy_threshold: 2, http: {path: /}}]\n"
	outliers  = "    outlier_detection: {interval: 200ms, base_ejection_time: 500ms, max_ejection_time: 2s, consecutive_5xx: 3, consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100, max_ejection_percent: 50}\n"
)

// withstanding starts a proxy before the sites that is told to take these means.
func withstanding(t *testing.T, sites []*site, listener, cluster string) *program {
	t.Helper()
	var at []string
	for _, s := range sites {
		at = append(at, s.address)
	}
	return start(t, fmt.Sprintf(`
listeners:
  - name: web
    address: 127.0.0.1:0
    protocol: http
    cluster: sites
    timeouts: {route: 2s}
%sclusters:
  - name: sites
    connect_timeout: 250ms
    endpoints: [%s]
%sadmin: {address: 127.0.0.1:0}
`, listener, strings.Join(at, ", "), cluster))
}

// trouble is what befalls one of three sites, or all of them.
var trouble = []behaviour{well, slow, failing, resetting, halfOpen, slowClose, refusing, blackHole, flapping}

// TestChaos is run by hand, for the table in bench/RESULTS.md; what must hold of
// it is in the tests below.
func TestChaos(t *testing.T) {
	if os.Getenv("PITOT_E2E_FULL") != "1" {
		t.Skip("prints a table; PITOT_E2E_FULL=1 asks for it")
	}
	var b strings.Builder
	fmt.Fprint(&b, "\n| one of three sites |")
	for _, m := range means {
		fmt.Fprintf(&b, " %s |", m.name)
	}
	fmt.Fprintf(&b, "\n| --- |%s\n", strings.Repeat(" --- |", len(means)))
	for _, what := range trouble {
		fmt.Fprintf(&b, "| %s |", behaviours[what])
		for _, m := range means {
			o, twice := befalls(t, m.listener, m.cluster, what, 2*time.Second)
			fmt.Fprintf(&b, " %.1f %%, p99 %d ms", 100*o.success(), o.quantile(.99).Milliseconds())
			if twice > 0 {
				fmt.Fprintf(&b, ", %d twice", twice)
			}
			fmt.Fprint(&b, " |")
		}
		fmt.Fprintln(&b)
	}
	t.Log(b.String())
}

// befalls loads a proxy one of whose sites behaves so, and says how many
// requests that are to be carried out once were carried out again.
func befalls(t *testing.T, listener, cluster string, what behaviour, d time.Duration) (*outcome, int) {
	t.Helper()
	sites := newSites(t, 3)
	p := withstanding(t, sites, listener, cluster)
	defer p.stop()
	sites[1].become(what)
	o := hammer("http://"+p.at("web")+"/", 8, d)
	for _, s := range sites {
		s.become(refusing)
	}
	return o, sites[0].acts.twice()
}

// What one bad site of three may cost a proxy that takes all means.
func TestOneBadSiteIsWithstood(t *testing.T) {
	for what, least := range map[behaviour]float64{
		slow: 1, failing: 1, halfOpen: 1, refusing: 1, blackHole: 1, flapping: 0.98,
		resetting: 0.85, slowClose: 0.8, // what the client has begun to read cannot be asked for again
	} {
		t.Run(behaviours[what], func(t *testing.T) {
			o, _ := befalls(t, hedging, checks+outliers+budget, what, 600*time.Millisecond)
			t.Log(o)
			if o.success() < least || o.ok < 20 {
				t.Errorf("want %.0f %% of success", 100*least)
			}
		})
	}
}

// Without being told to, a proxy sends nothing twice that may have acted.
func TestNothingActsTwiceUntold(t *testing.T) {
	for _, what := range []behaviour{failing, resetting, halfOpen, slowClose, refusing, flapping} {
		if o, twice := befalls(t, "", "", what, 400*time.Millisecond); twice > 0 {
			t.Errorf("%s: %d requests acted twice; %v", behaviours[what], twice, o)
		}
	}
}

// When all sites are down and come back, so does the service, and nobody has to
// be started again.
func TestAllDownAndBack(t *testing.T) {
	sites := newSites(t, 3)
	p := withstanding(t, sites, retries, checks+outliers)
	for _, s := range sites {
		s.become(refusing)
	}
	if o := hammer("http://"+p.at("web")+"/", 4, 500*time.Millisecond); o.ok > 0 {
		t.Errorf("nobody is there: %v", o)
	}
	for _, s := range sites {
		s.become(well)
	}
	var o *outcome
	for late := time.Now().Add(10 * time.Second); time.Now().Before(late); {
		if o = hammer("http://"+p.at("web")+"/", 4, 200*time.Millisecond); o.failed == 0 && o.ok > 0 {
			return
		}
	}
	t.Errorf("the service is not back: %v", o)
}

// All connections break at once, again and again: what was under way and cannot
// be asked for again is all that is lost.
func TestConnectionsBreakAtOnce(t *testing.T) {
	sites := newSites(t, 3)
	p := withstanding(t, sites, retries, "")
	over := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-over:
				tick.Stop()
				return
			case <-tick.C:
				for _, s := range sites {
					s.become(well)
				}
			}
		}
	}()
	o := hammer("http://"+p.at("web")+"/", 16, time.Second)
	close(over)
	<-done
	t.Log(o)
	if o.success() < 0.97 {
		t.Error("want 97 % of success")
	}
}

// Retries are bounded by the budget whatever happens: what comes to the sites is
// at most a fifth more than what clients asked, and three at a time.
func TestRetriesKeepToTheirBudget(t *testing.T) {
	sites := newSites(t, 3)
	p := withstanding(t, sites, strings.Replace(retries, "num_retries: 2", "num_retries: 10", 1), noBreaker+"    retry_budget: {percent: 20, min_retries: 1}\n")
	for _, s := range sites {
		s.become(failing)
	}
	o := hammer("http://"+p.at("web")+"/", 20, time.Second)
	var asked int64
	for _, s := range sites {
		asked += s.asked.Load()
	}
	if n := int64(o.ok + o.failed); asked < n || float64(asked) > 1.6*float64(n) {
		t.Errorf("%d requests came to the sites for %d of clients", asked, n)
	}
}
