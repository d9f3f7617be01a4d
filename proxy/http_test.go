package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	mongodecode "github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/minimongo"
)

func testProtocols() []decode.Protocol {
	return []decode.Protocol{shoutProtocol(), http1.Protocol(http1.Options{}), mongodecode.Protocol(mongodecode.Options{})}
}

// origin is an HTTP server that says its name and the path.
func origin(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", name, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func fetch(t *testing.T, r *rig, path string) (int, string) {
	t.Helper()
	resp, err := r.client().Get("http://" + r.Addr("main").String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// A line that HTTP/0.9 and other protocols of text have in common is nobody's to refuse.
func TestAutoPassesOnWhatMayBeHTTP09(t *testing.T) {
	r := run(t, automatic, serve(t, echo))
	c := r.dial()
	say(t, c, "GET /x\r\n")
	hear(t, c, "GET /x\r\n")
}

func TestHTTPRoutes(t *testing.T) {
	for _, protocol := range []string{config.HTTP, config.Auto} {
		t.Run(protocol, func(t *testing.T) {
			r := run(t, func(c *config.Config) {
				l := &c.Listeners[0]
				l.Protocol, l.Service = protocol, "shop"
				l.Routes = []config.Route{{Name: "orders", Match: config.Match{Prefix: "/orders"}, Cluster: "orders", Timeout: time.Second}}
				orders := c.Clusters[0]
				orders.Name, orders.Endpoints = "orders", config.Addresses(origin(t, "orders"))
				c.Clusters = append(c.Clusters, orders)
				c.Tracing.AttemptSpans = false
			}, origin(t, "front"))
			for path, want := range map[string]string{"/orders/7": "orders /orders/7", "/ordersheet": "front /ordersheet"} {
				if status, body := fetch(t, r, path); status != 200 || body != want {
					t.Errorf("%s: %d %q, want %q", path, status, body, want)
				}
				x := r.next()
				if x.HTTP == nil || x.HTTP.Path != path || x.HTTP.StatusCode != 200 {
					t.Errorf("%s: exchange %+v", path, x)
				}
				if path == "/orders/7" && (x.Route != "orders" || x.Cluster != "orders" || x.Service != "orders") ||
					path == "/ordersheet" && (x.Route != "" || x.Cluster != "main" || x.Service != "shop") {
					t.Errorf("%s: route %q cluster %q service %q", path, x.Route, x.Cluster, x.Service)
				}
			}
			if n := r.listeners[0].stats.RqClass[2].Load(); n != 2 {
				t.Errorf("downstream_rq_2xx %d, want 2", n)
			}
		})
	}
}

func TestHTTPUpstreamRefuses(t *testing.T) {
	r := run(t, func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP; c.Tracing.AttemptSpans = false }, refusing(t))
	if status, _ := fetch(t, r, "/"); status != 503 {
		t.Errorf("status %d, want 503", status)
	}
	if x := r.next(); x.Flags&event.FlagUF == 0 {
		t.Errorf("flags %v, want UF", x.Flags)
	}
}

// An HTTP client that connects ahead of its first request still gets routes.
func TestHTTPLateClient(t *testing.T) {
	r := run(t, func(c *config.Config) { quick(c); c.Tracing.AttemptSpans = false }, origin(t, "late"))
	c := r.dial()
	for r.listeners[0].stats.DetectTimeout.Load() == 0 {
		time.Sleep(time.Millisecond) // polls a counter: nothing tells of it
	}
	say(t, c, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") || !strings.HasSuffix(string(answer), "late /x") {
		t.Errorf("answer %q, %v", answer, err)
	}
	if x := r.next(); x.HTTP == nil || x.Cluster != "main" {
		t.Errorf("exchange %+v", x)
	}
}

func TestHTTPDrain(t *testing.T) {
	began, release := make(chan bool), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- true
		<-release
		fmt.Fprint(w, "done")
	}))
	defer s.Close()
	r := run(t, func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP }, strings.TrimPrefix(s.URL, "http://"))
	c := r.dial()
	say(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-began
	stopped := make(chan struct{})
	go func() { defer close(stopped); r.stop() }()
	for !r.draining.Load() {
		time.Sleep(time.Millisecond) // polls a flag: nothing tells of it
	}
	close(release)
	answer, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") || !strings.HasSuffix(string(answer), "done") {
		t.Errorf("answer %q, %v", answer, err)
	}
	<-stopped
}

// The official driver through the proxy gives exchanges with collections, told
// which protocol or not, and with each compressor.
func TestMongoDriver(t *testing.T) {
	for _, compressor := range []string{"", "snappy", "zlib", "zstd"} {
		for _, protocol := range []string{config.MongoDB, config.Auto} {
			t.Run(protocol+compressor, func(t *testing.T) { mongoDriver(t, protocol, compressor) })
		}
	}
}

func mongoDriver(t *testing.T, protocol, compressor string) {
	server, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r := run(t, func(c *config.Config) { c.Listeners[0].Protocol = protocol }, server.Addr())
	o := options.Client().ApplyURI("mongodb://" + r.Addr("main").String() + "/?directConnection=true").SetTimeout(patience)
	if compressor != "" {
		o.SetCompressors([]string{compressor})
	}
	client, err := mongo.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	carts := client.Database("shop").Collection("carts")
	if _, err := carts.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 7}}); err != nil {
		t.Fatal(err)
	}
	if err := carts.FindOne(t.Context(), bson.D{{Key: "_id", Value: 7}}, options.FindOne().SetComment("CartStore.load")).Err(); err != nil {
		t.Fatal(err)
	}
	found := map[string]event.Exchange{}
	for len(found) < 2 {
		if x := r.next(); x.Mongo != nil && x.Mongo.Collection == "carts" {
			found[x.Mongo.Operation] = x
		}
	}
	x := found["find"]
	if x.Cluster != "main" || x.Mongo.Database != "shop" || x.Mongo.Returned != 1 || x.Mongo.Compressor != compressor {
		t.Errorf("find: %+v %+v", x, x.Mongo)
	}
	if n := r.failures.Load(); n != 0 {
		t.Errorf("decode failures %d", n)
	}
}
