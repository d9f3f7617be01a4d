package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// A case of the interoperability suite ends its program when it fails, so each
// runs in a program of its own: this test's, started again with these set.
const (
	caseVariable      = "PITOT_E2E_CASE"
	addressVariable   = "PITOT_E2E_ADDRESS"
	authorityVariable = "PITOT_E2E_AUTHORITY" // name in the certificate; empty for cleartext
	rootsVariable     = "PITOT_E2E_ROOTS"     // file of the certificate that is trusted
)

// cases are those of grpc-go's client that need no cloud's credentials, but
// for pick_first_unary, which has a test of its own.
var cases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
	"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
	"orca_per_rpc", "orca_oob", "rpc_soak", "channel_soak",
}

func TestGRPCInteroperatesInCleartext(t *testing.T) {
	p := start(t, fmt.Sprintf(`
listeners:
  - name: grpc
    address: 127.0.0.1:0
    protocol: http
    cluster: interop
clusters:
  - name: interop
    protocol: http2
    endpoints: [%s]
admin: {address: 127.0.0.1:0}
`, suiteServer(t)))
	runCases(t, p.at("grpc"), "", "")
}

func TestGRPCInteroperatesOverTLS(t *testing.T) {
	ca := newAuthority(t)
	p := start(t, fmt.Sprintf(`
listeners:
  - name: grpc
    address: 127.0.0.1:0
    protocol: http
    cluster: interop
    tls:
      certificates:
        - {cert: %s, key: %s}
clusters:
  - name: interop
    protocol: http2
    endpoints: [%s]
    tls: {sni: origin.test, ca: %s}
admin: {address: 127.0.0.1:0}
`, ca.cert("shop.test"), ca.key("shop.test"),
		suiteServer(t, "-use_tls", "-tls_cert_file", ca.cert("origin.test"), "-tls_key_file", ca.key("origin.test")), ca.file))
	runCases(t, p.at("grpc"), "shop.test", ca.file)
}

func runCases(t *testing.T, address, authority, roots string) {
	t.Helper()
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			if out, err := runCase(t, name, address, authority, roots); err != nil {
				t.Errorf("%v\n%s", err, tail(out, 40))
			}
		})
	}
}

// runCase carries one case out in a program of its own, against an address, or
// several with commas.
func runCase(t *testing.T, name, addresses, authority, roots string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), caseVariable+"="+name, addressVariable+"="+addresses, authorityVariable+"="+authority,
		rootsVariable+"="+roots, "GRPC_GO_LOG_SEVERITY_LEVEL=info")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// runInterop carries out one case and returns when it has passed.
func runInterop(name, address, authority string) {
	creds := insecure.NewCredentials()
	if authority != "" {
		pem, err := os.ReadFile(os.Getenv(rootsVariable))
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(pem) {
			fmt.Fprintln(os.Stderr, "no certificate that can be trusted:", err)
			os.Exit(1)
		}
		creds = credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: authority})
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(creds), grpc.WithDefaultServiceConfig(
		fmt.Sprintf(`{"loadBalancingConfig":[{%q:{}}]}`, policyOf(name)))}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	if strings.HasSuffix(name, "soak") {
		soak(ctx, name, address, options)
		return
	}
	cc, err := grpc.NewClient("several:///shop.test", append(options, grpc.WithResolvers(resolving(address)))...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer cc.Close()
	oneCase(ctx, name, cc)
}

// policyOf is the balancing of a case's client. The suite's own policy is what
// hears reports of load.
func policyOf(name string) string {
	switch {
	case strings.HasPrefix(name, "orca"):
		return "test_backend_metrics_load_balancer"
	case name == "round_robin_unary":
		return "round_robin"
	}
	return "pick_first"
}

// resolving has every name be at the addresses, as a name server would.
func resolving(addresses string) resolver.Builder {
	var s resolver.State
	for a := range strings.SplitSeq(addresses, ",") {
		s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	b := manual.NewBuilderWithScheme("several")
	b.InitialState(s)
	return b
}

func oneCase(ctx context.Context, name string, cc *grpc.ClientConn) {
	c := testgrpc.NewTestServiceClient(cc)
	switch name {
	case "empty_unary":
		interop.DoEmptyUnaryCall(ctx, c)
	case "large_unary":
		interop.DoLargeUnaryCall(ctx, c)
	case "client_streaming":
		interop.DoClientStreaming(ctx, c)
	case "server_streaming":
		interop.DoServerStreaming(ctx, c)
	case "ping_pong":
		interop.DoPingPong(ctx, c)
	case "empty_stream":
		interop.DoEmptyStream(ctx, c)
	case "timeout_on_sleeping_server":
		interop.DoTimeoutOnSleepingServer(ctx, c)
	case "cancel_after_begin":
		interop.DoCancelAfterBegin(ctx, c)
	case "cancel_after_first_response":
		interop.DoCancelAfterFirstResponse(ctx, c)
	case "status_code_and_message":
		interop.DoStatusCodeAndMessage(ctx, c)
	case "special_status_message":
		interop.DoSpecialStatusMessage(ctx, c)
	case "custom_metadata":
		interop.DoCustomMetadata(ctx, c)
	case "unimplemented_method":
		interop.DoUnimplementedMethod(ctx, cc)
	case "unimplemented_service":
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(cc))
	case "orca_per_rpc":
		interop.DoORCAPerRPCTest(ctx, c)
	case "orca_oob":
		interop.DoORCAOOBTest(ctx, c)
	case "pick_first_unary", "round_robin_unary":
		interop.DoPickFirstUnary(ctx, c)
	default:
		fmt.Fprintln(os.Stderr, "no such case:", name)
		os.Exit(1)
	}
}

// soak makes large calls, on one channel or each on a new one.
func soak(ctx context.Context, name, address string, options []grpc.DialOption) {
	open := func() (*grpc.ClientConn, func()) {
		cc, err := grpc.NewClient(address, options...)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return cc, func() { _ = cc.Close() }
	}
	if name == "rpc_soak" {
		cc, end := open()
		defer end()
		open = func() (*grpc.ClientConn, func()) { return cc, func() {} }
	}
	interop.DoSoakTest(ctx, interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159, PerIterationMaxAcceptableLatency: 10 * time.Second, OverallTimeout: 45 * time.Second,
		ServerAddr: address, NumWorkers: 2, Iterations: 20, ChannelForTest: open,
	})
}
