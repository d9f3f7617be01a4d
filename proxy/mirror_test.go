package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
)

// A listener whose routes have mirrors sends copies there, and tells what they
// answered.
func TestMirrorThroughTheProxy(t *testing.T) {
	front, next := mirror(t), mirror(t)
	r := run(t, func(c *config.Config) {
		configured(t, "routes:\n- {name: all, match: {prefix: /}, cluster: main}")(c)
		withAdmin(c)
		copies := c.Clusters[0]
		copies.Name, copies.Endpoints = "next", config.Addresses(next)
		c.Clusters = append(c.Clusters, copies)
		c.Listeners[0].Routes[0].Mirror = []config.Mirror{{
			Cluster: "next", MaxBody: 100, MaxActive: 1, HostSuffix: "-shadow", Compare: config.MirrorCompare{Status: true, Body: true},
		}}
	}, front)
	if a := r.ask("GET", "/x", "host: shop.example"); a.status != 200 || a.sent["host"] != "shop.example" {
		t.Errorf("answer %+v", a)
	}
	if n := r.notice(event.EventMirrored); !strings.Contains(n.Body, `the mirror "next" answers GET /x differently in body_bytes, body_hash`) {
		t.Errorf("told %q", n.Body)
	}
	for late := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // polls a counter: nothing tells of it
		_, all := r.get("/stats")
		if strings.Contains(all, "listener.main.mirror.sent: 1\n") && strings.Contains(all, "listener.main.mirror.different: 1\n") &&
			strings.Contains(all, "cluster.next.upstream_rq_2xx: 1\n") && strings.Contains(all, "cluster.next.upstream_rq_active: 0\n") {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("numbers:\n%s", all)
		}
	}
}
