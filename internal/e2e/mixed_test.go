package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/pitot-io/pitot/internal/minimongo"
)

// loaded is how long a load lasts: PITOT_E2E_FULL=1 asks for what the
// documents promise.
func loaded() time.Duration {
	if os.Getenv("PITOT_E2E_FULL") == "1" {
		return 5 * time.Minute
	}
	return 5 * time.Second
}

// load is a client that asks again and again. Its calls are counted.
type load struct {
	name string
	once func() error
	done atomic.Int64
}

// run asks with so many clients of each load until the time is over, and
// fails the test with the first error of each.
func run(t *testing.T, length time.Duration, clients int, loads ...*load) {
	t.Helper()
	var all sync.WaitGroup
	until := time.Now().Add(length)
	for _, l := range loads {
		for range clients {
			all.Go(func() {
				for time.Now().Before(until) {
					if err := l.once(); err != nil {
						t.Errorf("%s, after %d: %v", l.name, l.done.Load(), err)
						return
					}
					l.done.Add(1)
				}
			})
		}
	}
	all.Wait()
	for _, l := range loads {
		t.Logf("%-30s %7d", l.name, l.done.Load())
		if l.done.Load() == 0 {
			t.Errorf("%s: nothing was done", l.name)
		}
	}
}

// Everything at once, for a while; what it took is given back.
func TestAMixedLoadLeavesNothingBehind(t *testing.T) {
	db, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	e := startEvery(t, `  - {name: db, address: "127.0.0.1:0", protocol: mongodb, cluster: db}
  - {name: echo, address: "127.0.0.1:0", protocol: tcp, cluster: echo}
  - {name: any, address: "127.0.0.1:0", protocol: auto, cluster: echo}
`, fmt.Sprintf(`  - {name: db, endpoints: ["%s"]}
  - {name: echo, endpoints: ["%s"]}
`, db.Addr(), echoServer(t)), "")
	descriptors, goroutines := e.descriptors(t), e.goroutines(t)
	t.Run("load", func(t *testing.T) { // its clients leave when it ends
		run(t, loaded(), 2, append(e.webLoads(t), e.otherLoads(t)...)...)
	})
	t.Logf("%d MiB at most", e.peak(t))
	settled(t, "descriptors", descriptors, e.descriptors)
	settled(t, "goroutines", goroutines, e.goroutines)
}

// slack is what pitot may keep beyond what it had before a load: what it
// makes on first use, such as watchers and resolvers.
const slack = 10

// settled waits until a number has come back to where it was.
func settled(t *testing.T, what string, before int, now func(*testing.T) int) {
	t.Helper()
	for range 60 {
		if now(t) <= before+slack {
			return
		}
		time.Sleep(250 * time.Millisecond)
	}
	t.Errorf("%d %s are left of %d before", now(t), what, before)
}

func (e *every) webLoads(t *testing.T) (all []*load) {
	for _, listener := range []string{"plain", "secure"} {
		for _, version := range []int{1, 2} {
			c, base := e.client(t, listener, version)
			for _, cluster := range []string{"h1", "h2", "h1s", "h2s"} {
				n := 0
				all = append(all, &load{name: fmt.Sprintf("%s HTTP%d to %s", listener, version, cluster), once: func() error {
					n++
					return exchange(c, base+"/"+cluster)
				}})
			}
		}
	}
	return all
}

// exchange gets 100 kB and sends as much.
func exchange(c *http.Client, base string) error {
	a, err := c.Get(base + "/bytes/100000")
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, a.Body)
	_ = a.Body.Close()
	if n != 100000 || err != nil || a.StatusCode != 200 {
		return fmt.Errorf("status %d, %d bytes, %v", a.StatusCode, n, err)
	}
	r, err := http.NewRequest(http.MethodPut, base+"/sum", bytes.NewReader(make([]byte, 100000)))
	if err != nil {
		return err
	}
	if a, err = c.Do(r); err != nil {
		return err
	}
	b, err := io.ReadAll(a.Body)
	_ = a.Body.Close()
	if err != nil || !strings.HasPrefix(string(b), "100000 ") {
		return fmt.Errorf("status %d, %q, %v", a.StatusCode, b, err)
	}
	return nil
}

func (e *every) otherLoads(t *testing.T) []*load {
	call := func(listener string, creds credentials.TransportCredentials) *load {
		cc, err := grpc.NewClient(e.at(listener), grpc.WithTransportCredentials(creds))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		c := testgrpc.NewTestServiceClient(cc)
		return &load{name: listener + " gRPC", once: func() error { return calls(t.Context(), c) }}
	}
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + e.at("db") + "/?directConnection=true"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	things := client.Database("shop").Collection("things")
	return []*load{
		call("plain", insecure.NewCredentials()),
		call("secure", credentials.NewTLS(&tls.Config{RootCAs: e.ca.roots(), ServerName: "shop.test"})),
		{name: "MongoDB", once: func() error {
			if _, err := things.InsertOne(t.Context(), bson.D{{Key: "n", Value: 1}}); err != nil {
				return err
			}
			return things.FindOne(t.Context(), bson.D{{Key: "n", Value: 1}}).Err()
		}},
		{name: "TCP", once: func() error { return echoOnce(e.at("echo")) }},
		{name: "TCP, detected", once: func() error { return echoOnce(e.at("any")) }},
		{name: "WebSocket", once: func() error { return socketOnce(t, e.at("plain")) }},
	}
}

// calls makes a unary call and one that streams both ways.
func calls(ctx context.Context, c testgrpc.TestServiceClient) error {
	if _, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseSize: 10000, Payload: &testgrpc.Payload{Body: make([]byte, 10000)}}); err != nil {
		return err
	}
	s, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for range 3 {
		if err := s.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: 1000}}}); err != nil {
			return err
		}
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	if _, err := s.Recv(); err != io.EOF {
		return fmt.Errorf("the stream's end: %v", err)
	}
	return nil
}

// echoOnce sends a line over a connection of its own and wants it back.
func echoOnce(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	const line = "SHOUT hello\n"
	if _, err := io.WriteString(c, line); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	if b, err := io.ReadAll(c); err != nil || string(b) != line {
		return fmt.Errorf("%q came back, %v", b, err)
	}
	return nil
}

func socketOnce(t *testing.T, address string) error {
	c := upgrade(t, address, nil)
	defer c.Close()
	if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewTextFrame([]byte("hello")))); err != nil {
		return err
	}
	f, err := ws.ReadFrame(c)
	if err != nil || string(f.Payload) != "hello" {
		return fmt.Errorf("%q came back, %v", f.Payload, err)
	}
	return nil
}

// echoServer sends back what it gets, on any connection.
func echoServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // whatever breaks, the client sees it
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return l.Addr().String()
}
