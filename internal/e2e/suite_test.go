package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// suiteBinary is the server of the interoperability suite, made once.
var suiteBinary struct {
	once sync.Once
	file string
	err  error
}

// suiteServer runs the suite's own server until the test is over. It tells its
// load on a stream of its own every second, as nobody else can have it do: the
// library asks for half a minute at least.
func suiteServer(t *testing.T, args ...string) string {
	t.Helper()
	binary(t) // makes the folder
	suiteBinary.once.Do(func() {
		suiteBinary.file = filepath.Join(built.folder, "interop-server")
		if out, err := exec.Command("go", "build", "-o", suiteBinary.file, "google.golang.org/grpc/interop/server").CombinedOutput(); err != nil {
			suiteBinary.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if suiteBinary.err != nil {
		t.Fatal(suiteBinary.err)
	}
	port := freePorts(t)[0]
	runChild(t, nil, suiteBinary.file, append([]string{"-port", port}, args...)...)
	address := "127.0.0.1:" + port
	eventually(t, "the suite's server listens", func() bool {
		c, err := net.Dial("tcp", address)
		return err == nil && c.Close() == nil
	})
	return address
}

// named is the suite's server, which says who it is where it is asked to
// (SimpleRequest.fill_server_id); that of grpc-go does not.
type named struct {
	testgrpc.TestServiceServer
	id string
}

func (n named) UnaryCall(ctx context.Context, in *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	out, err := n.TestServiceServer.UnaryCall(ctx, in)
	if err == nil && in.FillServerId {
		out.ServerId = n.id
	}
	return out, err
}

// namedServers are some servers that can be told apart.
func namedServers(t *testing.T, n int, o ...grpc.ServerOption) (all []string) {
	t.Helper()
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer(o...)
		testgrpc.RegisterTestServiceServer(s, named{interop.NewTestServer(), fmt.Sprintf("server-%d", i)})
		var serving sync.WaitGroup
		serving.Go(func() { _ = s.Serve(l) })
		t.Cleanup(func() { s.Stop(); serving.Wait() })
		all = append(all, l.Addr().String())
	}
	return all
}

// A client that resolves a name to several addresses and uses the first that
// it can connect to stays there: each is a listener before a server of its own.
func TestGRPCStaysWithOneOfSeveralAddresses(t *testing.T) {
	t.Run("cleartext", func(t *testing.T) {
		pickFirst(t, several(t, "", "", namedServers(t, 3)), "", "")
	})
	t.Run("TLS", func(t *testing.T) {
		ca := newAuthority(t)
		listener := fmt.Sprintf("tls: {certificates: [{cert: %s, key: %s}]}", ca.cert("shop.test"), ca.key("shop.test"))
		cluster := fmt.Sprintf("tls: {sni: origin.test, ca: %s}", ca.file)
		pickFirst(t, several(t, listener, cluster, namedServers(t, 3, grpc.Creds(ca.credentials("origin.test")))), "shop.test", ca.file)
	})
}

// several runs pitot with a listener and a cluster for each server, and gives
// the addresses of the listeners.
func several(t *testing.T, listener, cluster string, servers []string) string {
	t.Helper()
	var listeners, clusters strings.Builder
	for i, s := range servers {
		fmt.Fprintf(&listeners, "- name: l%d\n  address: 127.0.0.1:0\n  protocol: http\n  cluster: c%d\n  %s\n", i, i, listener)
		fmt.Fprintf(&clusters, "- name: c%d\n  protocol: http2\n  endpoints: [%s]\n  %s\n", i, s, cluster)
	}
	p := start(t, "listeners:\n"+listeners.String()+"clusters:\n"+clusters.String()+"admin: {address: 127.0.0.1:0}\n")
	all := make([]string, len(servers))
	for i := range servers {
		all[i] = p.at(fmt.Sprintf("l%d", i))
	}
	return strings.Join(all, ",")
}

func pickFirst(t *testing.T, addresses, authority, roots string) {
	t.Helper()
	if out, err := runCase(t, "pick_first_unary", addresses, authority, roots); err != nil {
		t.Errorf("%v\n%s", err, tail(out, 40))
	}
	// That a client which takes turns meets several says that the case can fail.
	out, err := runCase(t, "round_robin_unary", addresses, authority, roots)
	if exit := new(exec.ExitError); !errors.As(err, &exit) || !strings.Contains(out, "different server ids") {
		t.Errorf("in turns: %v\n%s", err, tail(out, 40))
	}
}
