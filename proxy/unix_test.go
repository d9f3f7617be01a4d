package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/minimongo"
)

// onUnix has the rig listen on a socket of its own, and gives its path.
func onUnix(t *testing.T, protocol string) (path string, change func(*config.Config)) {
	path = filepath.Join(t.TempDir(), "front.sock")
	return path, func(c *config.Config) {
		c.Listeners[0].Address, c.Listeners[0].SocketMode, c.Listeners[0].Protocol = "unix:"+path, "0620", protocol
		c.Tracing.AttemptSpans = protocol == config.HTTP
	}
}

// unixOrigin is an HTTP server on a Unix socket; it tells what it was asked.
func unixOrigin(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "origin.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s%s for %q", r.Host, r.URL.Path, r.Header.Values("X-Forwarded-For"))
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return "unix:" + path
}

func overUnix(t *testing.T, path string) *http.Client {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func attributes(x *event.Exchange) map[string]string {
	all := map[string]string{}
	x.Attributes(func(a event.Attr) { all[a.Key] = a.Text })
	return all
}

func TestHTTPFromSocketToSocket(t *testing.T) {
	path, change := onUnix(t, config.HTTP)
	origin := unixOrigin(t)
	r := run(t, change, origin)
	client := overUnix(t, path)
	for i := range 3 { // the upstream connection is kept
		resp, err := client.Get(fmt.Sprintf("http://shop.example/%d", i))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprintf(`shop.example/%d for []`, i); string(body) != want {
			t.Errorf("answer %q, want %q", body, want)
		}
		attempt, x := r.next(), r.next()
		if a := attributes(&attempt); a["network.transport"] != "unix" || a["network.peer.address"] != origin || a["server.address"] != "shop.example" {
			t.Errorf("attempt %v", a)
		}
		if a := attributes(&x); a["network.transport"] != "unix" || a["network.local.address"] != path || a["server.address"] != "shop.example" {
			t.Errorf("exchange %v", a)
		}
	}
	if n := r.clusters["main"].Hosts()[0].Idle(); n != 1 {
		t.Errorf("%d idle connections, want 1", n)
	}
}

func TestHTTP10NamesNoPathAsHost(t *testing.T) {
	r := run(t, func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP }, unixOrigin(t))
	c := r.dial()
	say(t, c, "GET /x HTTP/1.0\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != `localhost/x for ["127.0.0.1"]` {
		t.Errorf("answer %q", body)
	}
}

func TestMongoOverSockets(t *testing.T) {
	server, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	path, change := onUnix(t, config.MongoDB)
	r := run(t, change, server.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + strings.ReplaceAll(path, "/", "%2F") + "/?directConnection=true"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	if _, err := client.Database("shop").Collection("orders").InsertOne(ctx, bson.D{{Key: "a", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	for {
		x := r.next()
		if x.Name != "insert orders" {
			continue
		}
		if a := attributes(&x); a["network.transport"] != "unix" || a["server.address"] != path || x.Client.IsValid() {
			t.Errorf("exchange %v", a)
		}
		return
	}
}

// TCP over a socket in the file system and one in the abstract space, with the
// end of one direction before that of the other.
func TestTCPOverSocketsWithHalfClose(t *testing.T) {
	l, err := net.Listen("unix", fmt.Sprintf("@pitot-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			all, _ := io.ReadAll(c)
			_, _ = c.Write(append(all, " and out"...))
			c.Close()
		}
	}()
	path, change := onUnix(t, config.TCP)
	run(t, change, "unix:"+l.Addr().String())
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	say(t, c, "over")
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(c); string(all) != "over and out" || err != nil {
		t.Errorf("heard %q, %v", all, err)
	}
}

func TestSocketFileComesAndGoes(t *testing.T) {
	path, change := onUnix(t, config.TCP)
	r := run(t, change, refusing(t))
	if i, err := os.Stat(path); err != nil || i.Mode() != fs.ModeSocket|0o620 {
		t.Errorf("mode %v, %v", i.Mode(), err)
	}
	if _, err := bindUnix("x", path, 0, "k"); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second listener: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file of a listener that lives: %v", err)
	}
	r.stop()
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
}

func TestStaleSocketIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close() // as a process that was killed leaves it
	l, err := bindUnix("x", path, 0, "k")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bindUnix("x", path, 0, "k"); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("on a file: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Errorf("the file holds %q", b)
	}
	if _, err := bindUnix("x", filepath.Join(path, "b"), 0, "k"); err == nil {
		t.Error("a socket in a file")
	}
}
