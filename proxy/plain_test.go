package proxy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap"
)

// listen asks for the plain bytes, and gives what came when it was over.
func (r *rig) listen(query string) (all func() []byte) {
	r.t.Helper()
	resp, err := r.client().Get("http://" + r.AdminAddr().String() + "/tap?format=pcapng&for=3s" + query)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/x-pcapng" {
		r.t.Fatalf("%s %s", resp.Status, resp.Header)
	}
	return func() []byte {
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			r.t.Error(err)
		}
		return b
	}
}

// told collects exchanges as text, without what only a proxy knows.
type told []string

func (l *told) Exchange(x *event.Exchange) {
	text := fmt.Sprintf("%s %s %s > %s stream %v", x.Protocol, x.Name, x.Client, x.Server, x.Decode)
	if h := x.HTTP; h != nil {
		text = fmt.Sprintf("%s %s %d %d/%d", text, h.Path, h.StatusCode, h.RequestBody, h.ResponseBody)
	}
	*l = append(*l, text)
}

func (*told) Notice(*event.Notice) {}

func replayed(t *testing.T, b []byte) (file string, spans told) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "plain.pcapng")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := tap.OpenReplay(tap.ReplayOptions{Files: []string{file}, Protocols: testProtocols()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sum, err := r.Run(t.Context(), &spans)
	if err != nil || sum.TCP.Gaps > 0 || sum.TCP.Stray > 0 || sum.Packet.Broken > 0 || sum.TCP.Again > 0 {
		t.Errorf("%v: %+v", err, sum)
	}
	slices.Sort(spans)
	return file, spans
}

// TestPlainBytesAreReplayed: what somebody reads from /tap?format=pcapng gives
// the spans that the proxy told.
func TestPlainBytesAreReplayed(t *testing.T) {
	r := run(t, func(c *config.Config) {
		withAdmin(c)
		c.Tracing.AttemptSpans = false
	}, origin(t, "front"))
	all := r.listen("")
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer client.CloseIdleConnections()
	for i := range 3 { // on one connection, which stays open
		a, err := client.Post("http://"+r.Addr("main").String()+fmt.Sprint("/orders/", i), "text/plain", strings.NewReader(strings.Repeat("x", 100_000*i)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, a.Body) // what lacks shows in the spans
		_ = a.Body.Close()
	}
	fetch(t, r, "/cart/1") // on one that ends
	var want told
	for range 4 {
		x := r.next()
		want.Exchange(&x)
	}
	slices.Sort(want)
	file, got := replayed(t, all())
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r.hub.Plain.On() {
		t.Error("somebody listens still")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Log("tshark is not here; left out")
		return
	}
	out, err := exec.Command("tshark", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
		"-Y", "tcp.analysis.flags || _ws.malformed || tcp.checksum.status != 1 || ip.checksum.status != 1 || http.request").Output()
	if lines := strings.Count(string(out), "\n"); err != nil || lines != 4 {
		t.Errorf("tshark: %v: not the 4 requests and nothing else:\n%s", err, out)
	}
}

// TestPlainBytesOfOpaqueConnections are shown also when nobody decodes them,
// and when the connection was there before.
func TestPlainBytesOfOpaqueConnections(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	early := r.dial()
	say(t, early, "SHOUT early")
	hear(t, early, "SHOUT early")
	all, none := r.listen("&listener=main&client=127.0.0.0/8"), r.listen("&server=10.0.0.1")
	say(t, early, "SHOUT again")
	hear(t, early, "SHOUT again")
	early.Close()
	r.shout("hello")
	_, got := replayed(t, all())
	if text := strings.Join(got, "\n"); len(got) != 2 {
		t.Errorf("%s", text)
	}
	if _, got := replayed(t, none()); len(got) != 0 {
		t.Errorf("%q are of another server", got)
	}
}

func TestPlainRefuses(t *testing.T) {
	r := run(t, withAdmin, origin(t, "front"))
	for query, want := range map[string]string{
		"format=xml":                          `format: "xml" is not valid; must be json or pcapng`,
		"format=pcapng&client=x":              `client: "x" is not valid`,
		"format=pcapng&filter=status:500":     `"filter": format=pcapng takes client, server, listener and for`,
		"format=pcapng&for=never":             `for: "never" is not valid`,
		"format=pcapng&server=10.0.0.0/8&x=1": `"x": format=pcapng takes`,
	} {
		if status, body := r.get("/tap?" + query); status != 400 || !strings.HasPrefix(body, want) {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}
