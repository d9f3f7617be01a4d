package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
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
	"google.golang.org/grpc/orca"
)

// A case of the interoperability suite ends its program when it fails, so each
// runs in a program of its own: this test's, started again with these set.
const (
	caseVariable      = "PITOT_E2E_CASE"
	addressVariable   = "PITOT_E2E_ADDRESS"
	authorityVariable = "PITOT_E2E_AUTHORITY" // name in the certificate; empty for cleartext
	rootsVariable     = "PITOT_E2E_ROOTS"     // file of the certificate that is trusted
)

// cases are those of grpc-go's client that need no cloud's credentials. Its
// orca_oob and pick_first_unary are left out: they need servers of the suite
// that a program outside of it cannot have.
var cases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
	"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
	"orca_per_rpc", "rpc_soak", "channel_soak",
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
`, interopServer(t)))
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
`, ca.cert("shop.test"), ca.key("shop.test"), interopServer(t, grpc.Creds(ca.credentials("origin.test"))), ca.file))
	runCases(t, p.at("grpc"), "shop.test", ca.file)
}

// interopServer runs grpc-go's test server until the test is over.
func interopServer(t *testing.T, o ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(append(o, orca.CallMetricsServerOption(nil))...)
	testgrpc.RegisterTestServiceServer(s, interop.NewTestServer())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

func runCases(t *testing.T, address, authority, roots string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, self)
			cmd.Env = append(os.Environ(), caseVariable+"="+name, addressVariable+"="+address, authorityVariable+"="+authority,
				rootsVariable+"="+roots, "GRPC_GO_LOG_SEVERITY_LEVEL=info")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Run(); err != nil {
				t.Errorf("%v\n%s", err, tail(out.String(), 40))
			}
		})
	}
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
	options := []grpc.DialOption{grpc.WithTransportCredentials(creds)}
	if strings.HasPrefix(name, "orca") { // the suite's own policy is what hears the reports
		options = append(options, grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	if strings.HasSuffix(name, "soak") {
		soak(ctx, name, address, options)
		return
	}
	cc, err := grpc.NewClient(address, options...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer cc.Close()
	oneCase(ctx, name, cc)
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
