package proxy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/registry"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// asking is discovery that is asked often.
func asking(kind string, change func(*config.Discovery)) func(*config.Config) {
	d := &config.Discovery{Type: kind, Refresh: 100 * time.Millisecond, Timeout: 2 * time.Second, RetryBase: 100 * time.Millisecond, RetryMax: 100 * time.Millisecond, Initial: 2 * time.Second}
	change(d)
	return func(c *config.Config) {
		c.Listeners[0].Protocol = config.HTTP
		c.Clusters[0].Endpoints, c.Clusters[0].Discovery = nil, d
	}
}

// until asks until the answer is as wanted.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for late := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(late) {
			t.Fatalf("no %s in time", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestHostsOfARegistryAreServed(t *testing.T) {
	r := registry.New(registry.Options{})
	server := httptest.NewServer(registry.Handler(r, time.Now, ""))
	defer server.Close()
	enter := func(address string) netip.AddrPort {
		a := netip.MustParseAddrPort(address)
		if err := r.Register(time.Now(), registry.Registration{Service: "shop", Address: a}); err != nil {
			t.Fatal(err)
		}
		return a
	}
	one, second := enter(web(t, "one")), web(t, "two") // before the proxy, so that they end after it
	rig := run(t, asking(config.ByRegistry, func(d *config.Discovery) { d.Service, d.URL = "shop", server.URL }), "127.0.0.1:1")
	c := rig.dial()
	in := bufio.NewReader(c)
	if got := ask(t, c, in); got != "one" { // the first answer was waited for
		t.Fatalf("at the start: %q", got)
	}
	enter(second)
	until(t, "answer of a new host", func() bool { return ask(t, c, in) == "two" })
	if err := r.Deregister("shop", one.Addr(), one.Port()); err != nil {
		t.Fatal(err)
	}
	until(t, "end of the first host", func() bool { return len(rig.cluster("main").Hosts()) == 1 })

	// A new configuration while the registry is away goes on with what is known.
	server.CloseClientConnections()
	server.Close()
	rig.reload(func(c *config.Config) { c.Clusters[0].ConnectTimeout = 3 * time.Second })
	for range 3 {
		if got := ask(t, c, in); got != "two" {
			t.Errorf("after the reload: %q", got)
		}
	}
	until(t, "failures", func() bool { return statOf(rig.cluster("main"), "update_failure") > 1 })
	if got := ask(t, c, in); got != "two" {
		t.Errorf("without a registry: %q", got)
	}
}

func statOf(c *upstream.Cluster, name string) uint64 {
	for _, s := range c.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	return 0
}

// A logical name is one endpoint, whatever its address is.
func TestALogicalNameIsServed(t *testing.T) {
	_, port, _ := net.SplitHostPort(web(t, "here"))
	rig := run(t, asking(config.ByLogicalDNS, func(d *config.Discovery) { d.Name, d.Family = "localhost:"+port, config.OnlyV4 }), "127.0.0.1:1")
	c := rig.dial()
	if got := ask(t, c, bufio.NewReader(c)); got != "here" {
		t.Errorf("%q", got)
	}
	hosts := rig.cluster("main").Hosts()
	if n, _ := strconv.Atoi(port); len(hosts) != 1 || hosts[0].Address() != "localhost:"+port || hosts[0].AddrPort() != netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(n)) {
		t.Errorf("%v", fmt.Sprint(hosts))
	}
	if strings.Contains(fmt.Sprint(rig.cluster("main").Stats()), "{update_failure 1") {
		t.Error("a failure")
	}
}

// busy is an upstream that says how busy it is.
func busy(t *testing.T, load string) string {
	return serve(t, func(c *net.TCPConn) {
		for r := bufio.NewReader(c); ; {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nEndpoint-Load-Metrics: %s\r\n\r\nok", load)
		}
	})
}

func TestWhatHostsSayOfTheirLoadDecidesWeights(t *testing.T) {
	other, err := config.Parse("f", []byte("listeners: [{address: \":1\", protocol: http, cluster: a, retry: {}}]\nclusters: [{name: a, endpoints: [\"h:1\"]}]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, engine := range []string{"plain", "other"} {
		most, least := busy(t, "TEXT cpu_utilization=0.9,rps_fractional=90"), busy(t, `JSON {"cpu_utilization": 0.3, "rps_fractional": 90}`)
		rig := run(t, func(c *config.Config) {
			c.Listeners[0].Protocol = config.HTTP
			c.Clusters[0].LoadWeights = &config.LoadWeights{Penalty: 1, Blackout: time.Nanosecond, Expiry: time.Minute, Period: 100 * time.Millisecond}
			if engine == "other" {
				c.Listeners[0].Retry = other.Listeners[0].Retry
			}
		}, most, least)
		c := rig.dial()
		in := bufio.NewReader(c)
		until(t, "weights", func() bool {
			if got := ask(t, c, in); got != "ok" {
				t.Fatal(got)
			}
			h := rig.cluster("main").Hosts()
			return h[0].Weight() == 500 && h[1].Weight() == 1500
		})
		rig.stop()
	}
}
