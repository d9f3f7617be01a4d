package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/admin"
)

func withAdmin(c *config.Config) {
	automatic(c)
	c.Admin.Address = "127.0.0.1:0"
}

// get reads a page of the operator's port.
func (r *rig) get(path string) (status int, body string) {
	r.t.Helper()
	resp, err := r.client().Get("http://" + r.AdminAddr().String() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// client keeps no connection, so that none is left behind.
func (r *rig) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
}

func (r *rig) shout(text string) {
	r.t.Helper()
	c := r.dial()
	say(r.t, c, "SHOUT "+text)
	hear(r.t, c, "SHOUT "+text)
	c.Close()
}

// What /metrics says can be read without this repository: a sentence for each
// number, and times in seconds.
func TestMetricsSayWhatTheyAre(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	_, body := r.get("/metrics")
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "# HELP pitot_") && strings.Contains(line, "number of /stats") {
			t.Errorf("no help: %s", line)
		}
		if strings.HasPrefix(line, "# TYPE pitot_") && strings.Contains(line, "_ns_") {
			t.Errorf("not in seconds: %s", line)
		}
	}
	if !strings.Contains(body, `pitot_cluster_upstream_rq_time_seconds_total{cluster="main"} 0`) {
		t.Error("no time of requests")
	}
}

func TestAdminPages(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	r.shout("one")
	r.next()
	endpoint := r.clusters["main"].Hosts()[0].Address()
	for path, want := range map[string]string{
		"/":                     "/metrics",
		"/ready":                "LIVE\n",
		"/stats":                "pitot.exchanges_seen: 1\n",
		"/stats?filter=^listen": "listener.main.downstream_cx_total: 1\n",
		"/stats?format=json":    `{"name":"cluster.main.upstream_cx_total","value":1}`,
		"/clusters":             "main::" + endpoint + "::upstream_rq_total::1\n",
		"/clusters?format=json": `"address":"` + endpoint + `"`,
		"/config":               "address: " + endpoint[:10],
		"/metrics":              `pitot_cluster_upstream_cx_total{cluster="main"} 1`,
	} {
		if status, body := r.get(path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, want %q in\n%s", path, status, want, body)
		}
	}
	for path, want := range map[string]int{"/nothing": 404, "/stats?filter=(": 400, "/tap?filter=nofield:1": 400, "/tap?limit=x": 400, "/tap?for=1": 400, "/tap?events=x": 400} {
		if status, body := r.get(path); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
}

func TestMetricsByServiceAndOperation(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	r.shout("one")
	want := `pitot_exchange_duration_seconds_count{operation="shout",protocol="tcp",service="main",span_kind="server"} 1`
	deadline := time.Now().Add(patience)
	for {
		_, body := r.get("/metrics")
		if strings.Contains(body, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s in\n%s", want, body)
		}
	}
}

func TestAdminToken(t *testing.T) {
	r := run(t, func(c *config.Config) { withAdmin(c); c.Admin.Token = "secret" }, serve(t, echo))
	if status, _ := r.get("/stats"); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	req, _ := http.NewRequest("GET", "http://"+r.AdminAddr().String()+"/config", nil)
	req.Header.Set("Authorization", "Bearer secret")
	resp, err := r.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || strings.Contains(string(body), "secret") {
		t.Errorf("with the token: %d\n%s", resp.StatusCode, body)
	}
}

// A page on the web cannot read through a name of its own.
func TestAdminRefusesForeignNames(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	req, _ := http.NewRequest("GET", "http://"+r.AdminAddr().String()+"/config", nil)
	req.Host = "evil.example.com"
	resp, err := r.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// open begins to read /tap; the lines come until the tap ends.
func (r *rig) open(query string) *bufio.Scanner {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+r.AdminAddr().String()+"/tap?"+query, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := r.client().Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { cancel(); resp.Body.Close() })
	return bufio.NewScanner(resp.Body)
}

func TestTapStreamsAndFilters(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	all := r.open("limit=2")
	none := r.open("filter=name:nothing&for=200ms")
	some := r.open("protocol=tcp&service=main&min_duration=0s&limit=1")
	r.shout("one")
	r.shout("two")
	for range 2 {
		if !all.Scan() {
			t.Fatalf("the tap ended early: %v", all.Err())
		}
		var line struct{ Kind, Name, Service string }
		if err := json.Unmarshal(all.Bytes(), &line); err != nil || line.Kind != "span" || line.Name != "shout" || line.Service != "main" {
			t.Errorf("line %s: %v", all.Bytes(), err)
		}
	}
	if all.Scan() {
		t.Errorf("a line beyond the limit: %s", all.Bytes())
	}
	if !some.Scan() || some.Scan() {
		t.Error("the filtered tap did not give one line")
	}
	if none.Scan() {
		t.Errorf("a line that the filter does not let through: %s", none.Bytes())
	}
}

// A tap that its reader leaves alone loses exchanges, says so, and holds up
// nobody.
func TestTapTellsItsLoss(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	lines := r.open("")
	p := r.hub.Publisher(0)
	x := event.Exchange{Name: strings.Repeat("x", 1000)}
	sub := r.hub.Subscriptions()
	tapped := sub[len(sub)-1]
	for tapped.Dropped() == 0 { // more than queue and socket buffers take
		p.Exchange(&x)
	}
	for lines.Scan() {
		if strings.Contains(lines.Text(), event.EventLoss) && strings.Contains(lines.Text(), `"lost_total"`) {
			return
		}
	}
	t.Fatalf("no loss was told: %v", lines.Err())
}

func TestTapEndsWithTheProxy(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	lines := r.open("")
	r.stop()
	for lines.Scan() {
	}
	if len(r.hub.Subscriptions()) != 0 {
		t.Error("a tap is left")
	}
}

func TestSinksInStats(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	if _, body := r.get("/stats"); !strings.Contains(body, "sink.clickhouse.dropped: 3\n") {
		t.Errorf("no sink in\n%s", body)
	}
}

func testSinks() []admin.SinkStats {
	return []admin.SinkStats{{Name: "clickhouse", Taken: 10, Written: 7, Dropped: 3}}
}

// Label values come from clients: their number and their letters are bounded.
func TestMetricsAreBounded(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	p := r.hub.Publisher(0)
	for i := range 2000 {
		p.Exchange(&event.Exchange{Name: fmt.Sprintf("op\xff\n%d", i), Service: "s", End: 1})
	}
	r.hub.Flush()
	deadline := time.Now().Add(patience)
	for {
		_, body := r.get("/metrics")
		if strings.Contains(body, `operation="_OTHER",protocol="tcp",service="_OTHER"`) {
			if n := strings.Count(body, "pitot_exchange_errors_total{"); n > 513 {
				t.Errorf("%d series", n)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was counted as other")
		}
	}
}
