package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// means are what a proxy can be told to do against trouble.
var means = []struct{ name, route, cluster string }{
	{"nothing", "", ""},
}

func chaos(t *testing.T, sites []*site, route, cluster string) *program {
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
%s
clusters:
  - name: sites
    connect_timeout: 250ms
    endpoints: [%s]
%s
admin: {address: 127.0.0.1:0}
`, route, strings.Join(at, ", "), cluster))
}

func TestChaos(t *testing.T) {
	for _, m := range means {
		for _, b := range []behaviour{slow, failing, resetting, halfOpen, slowClose, refusing, blackHole, flapping} {
			sites := newSites(t, 3)
			p := chaos(t, sites, m.route, m.cluster)
			sites[1].become(b)
			o := hammer("http://"+p.at("web")+"/", 8, time.Second)
			t.Logf("%s, %s: %v", m.name, behaviours[b], o)
			p.stop()
		}
	}
}
