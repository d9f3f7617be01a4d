package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
)

// web is an upstream that answers every request with its name.
func web(t *testing.T, name string) string {
	return serve(t, func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, q.Body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(name), name)
		}
	})
}

// ask makes a request on an open connection.
func ask(t *testing.T, c net.Conn, r *bufio.Reader) string {
	t.Helper()
	if _, err := io.WriteString(c, "GET /x HTTP/1.1\r\nHost: shop\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	a, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// changed is the running configuration with a change.
func (r *rig) changed(change func(*config.Config)) *config.Config {
	r.t.Helper()
	cfg := *r.settings()
	cfg.Listeners = append([]config.Listener(nil), cfg.Listeners...)
	cfg.Clusters = append([]config.Cluster(nil), cfg.Clusters...)
	change(&cfg)
	if err := cfg.Validate(); err != nil {
		r.t.Fatal(err)
	}
	return &cfg
}

func (r *rig) reload(change func(*config.Config)) {
	r.t.Helper()
	if err := r.Reload(r.changed(change)); err != nil {
		r.t.Fatal(err)
	}
}

// The next request on an open connection goes by the new routes.
func TestOpenConnectionsGoByNewRoutes(t *testing.T) {
	two := web(t, "two") // before the proxy, whose connections it waits for at its end
	r := run(t, func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP }, web(t, "one"))
	c := r.dial()
	in := bufio.NewReader(c)
	if got := ask(t, c, in); got != "one" {
		t.Fatalf("before: %q", got)
	}
	r.reload(func(c *config.Config) { c.Clusters[0].Endpoints = config.Addresses(two) })
	if got := ask(t, c, in); got != "two" {
		t.Errorf("after: %q", got)
	}
	if n := len(r.retired); n != 1 || r.retired[0].Open() != 0 {
		t.Errorf("%d clusters are retired, with %d connections", n, r.retired[0].Open())
	}
}

// A connection that is forwarded as it is stays where it is; the next one goes
// elsewhere.
func TestForwardedConnectionsStay(t *testing.T) {
	greet := func(name string) string {
		return serve(t, func(c *net.TCPConn) { io.WriteString(c, name); echo(c) })
	}
	r := run(t, nil, greet("one"))
	c := r.dial()
	hear(t, c, "one")
	two := greet("two")
	r.reload(func(c *config.Config) { c.Clusters[0].Endpoints = config.Addresses(two) })
	say(t, c, "still")
	hear(t, c, "still")
	hear(t, r.dial(), "two")
}

func TestListenersComeAndGo(t *testing.T) {
	r := run(t, func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP }, web(t, "one"))
	c := r.dial()
	in := bufio.NewReader(c)
	ask(t, c, in)
	r.reload(func(c *config.Config) {
		more := c.Listeners[0]
		more.Name = "more"
		c.Listeners = append(c.Listeners, more)
	})
	d, err := net.Dial("tcp", r.Addr("more").String())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := ask(t, d, bufio.NewReader(d)); got != "one" {
		t.Errorf("the new listener: %q", got)
	}
	was := r.Addr("main").String()
	r.reload(func(c *config.Config) { c.Listeners = c.Listeners[1:] })
	if n, err := in.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("an idle connection of the old listener: %d, %v, want its end", n, err)
	}
	if _, err := net.DialTimeout("tcp", was, time.Second); err == nil {
		t.Error("the old listener accepts")
	}
}

// What cannot be used changes nothing.
func TestABadConfigurationChangesNothing(t *testing.T) {
	r := run(t, func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP }, web(t, "one"))
	c := r.dial()
	in := bufio.NewReader(c)
	ask(t, c, in)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = r.Reload(r.changed(func(c *config.Config) {
		more := c.Listeners[0]
		more.Name, more.Address = "more", taken.Addr().String()
		c.Listeners = append(c.Listeners, more)
		c.Clusters[0].Endpoints = config.Addresses(refusing(t))
	}))
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	if got := ask(t, c, in); got != "one" {
		t.Errorf("after it: %q", got)
	}
	if len(r.listeners) != 1 || len(r.retired) != 0 {
		t.Errorf("%d listeners, %d retired clusters", len(r.listeners), len(r.retired))
	}
}

// No request fails while the configuration changes a hundred times.
func TestNoRequestFailsWhileTheConfigurationChanges(t *testing.T) {
	one, two := web(t, "one"), web(t, "two")
	r := run(t, func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP }, one)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := &http.Client{Transport: &http.Transport{}, Timeout: patience}
			defer c.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				a, err := c.Get("http://" + r.Addr("main").String() + "/x")
				if err != nil {
					t.Errorf("request %d: %v", n, err)
					return
				}
				b, err := io.ReadAll(a.Body)
				_ = a.Body.Close()
				if s := string(b); a.StatusCode != 200 || err != nil || s != "one" && s != "two" {
					t.Errorf("request %d: %s %q %v", n, a.Status, b, err)
					return
				}
			}
		})
	}
	for i := range 100 {
		r.reload(func(c *config.Config) {
			c.Clusters[0].Endpoints = config.Addresses([]string{one, two}[i%2])
			if i%10 == 0 {
				c.Listeners[0].Timeouts.Header += time.Second
			}
		})
		time.Sleep(2 * time.Millisecond) // so that requests meet every configuration
	}
	close(stop)
	all.Wait()
	if n := len(r.listeners[0].still); n > 3 {
		t.Errorf("%d old handlers are kept", n)
	}
}
