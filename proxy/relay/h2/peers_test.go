package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/socket"
)

// echoService has a call of each kind; errors come as trailers.
func echoService() *grpc.ServiceDesc {
	stream := func(_ any, s grpc.ServerStream) error {
		for {
			m := new(wrapperspb.BytesValue)
			if err := s.RecvMsg(m); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if string(m.Value) == "fail" {
				return status.Error(codes.DataLoss, "as asked")
			}
			if err := s.SendMsg(m); err != nil {
				return err
			}
		}
	}
	unary := func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		m := new(wrapperspb.BytesValue)
		if err := dec(m); err != nil {
			return nil, err
		}
		if string(m.Value) == "fail" {
			return nil, status.Error(codes.DataLoss, "as asked")
		}
		return m, nil
	}
	return &grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}},
		Streams: []grpc.StreamDesc{{StreamName: "Chat", Handler: stream, ServerStreams: true, ClientStreams: true}},
	}
}

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	s.RegisterService(echoService(), nil)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() { defer wg.Done(); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); wg.Wait() })
	d := dialer(t, DialerOptions{})
	_, at := serve(t, forward(d, hostAt(t, l.Addr().String()), func(err error) { t.Log(err) }), ServerOptions{})
	cc, err := grpc.NewClient(at, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	limit, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for _, size := range []int{0, 128, 100_000, 1 << 20} {
		in, out := wrapperspb.Bytes(bytes.Repeat([]byte("x"), size)), new(wrapperspb.BytesValue)
		if err := cc.Invoke(limit, "/test.Echo/Unary", in, out); err != nil || len(out.Value) != size {
			t.Fatalf("%d bytes: got %d, %v", size, len(out.Value), err)
		}
	}
	if err := cc.Invoke(limit, "/test.Echo/Unary", wrapperspb.Bytes([]byte("fail")), new(wrapperspb.BytesValue)); status.Code(err) != codes.DataLoss {
		t.Errorf("unary failure: %v", err)
	}
	chat, err := cc.NewStream(limit, &echoService().Streams[0], "/test.Echo/Chat")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 { // in turns: nothing may be held back
		in, out := wrapperspb.Bytes(bytes.Repeat([]byte{byte(i)}, i*50)), new(wrapperspb.BytesValue)
		if err := chat.SendMsg(in); err != nil {
			t.Fatal(err)
		}
		if err := chat.RecvMsg(out); err != nil || !bytes.Equal(in.Value, out.Value) {
			t.Fatal(err)
		}
	}
	if err := chat.SendMsg(wrapperspb.Bytes([]byte("fail"))); err != nil {
		t.Fatal(err)
	}
	if err := chat.RecvMsg(new(wrapperspb.BytesValue)); status.Code(err) != codes.DataLoss {
		t.Errorf("stream failure: %v", err)
	}
	ctx, cancel := context.WithCancel(limit)
	chat, err = cc.NewStream(ctx, &echoService().Streams[0], "/test.Echo/Chat")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := chat.RecvMsg(new(wrapperspb.BytesValue)); status.Code(err) != codes.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCurl(t *testing.T) {
	program, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not in PATH")
	}
	_, at := serve(t, echo, ServerOptions{})
	body := long(300_000)
	cmd := exec.CommandContext(t.Context(), program, "-sS", "-m", "10", "--http2-prior-knowledge",
		"--data-binary", "@-", "-w", "\n%{http_version} %{http_code}", "http://"+at+"/x")
	cmd.Stdin = strings.NewReader(body)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out[max(0, len(out)-200):])
	}
	if want := body + "\n2 200"; string(out) != want {
		t.Errorf("%d bytes, end %q", len(out), out[max(0, len(out)-40):])
	}
}

// Over TLS both sides read and write as over a bare socket.
func TestOverTLS(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.EnableHTTP2 = true
	cert.StartTLS()
	config := cert.TLS.Clone()
	client := cert.Client()
	cert.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(&engine{carry: echo}, ServerOptions{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				tc := c.(*net.TCPConn)
				t := tls.Server(socket.Over(tc), config)
				if t.HandshakeContext(context.Background()) != nil {
					c.Close()
					wg.Done()
					return
				}
				s.Serve(context.Background(), socket.Secured(t, tc), nil, hop.Info{}, wg.Done)
			}()
		}
	}()
	t.Cleanup(func() { client.CloseIdleConnections(); l.Close(); s.Close(); wg.Wait() })
	for _, size := range []int{0, 10, 1 << 20} {
		body := long(size)
		res, err := client.Post("https://"+l.Addr().String(), "", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(got) != body || res.ProtoMajor != 2 || res.StatusCode != http.StatusOK {
			t.Errorf("%d bytes: %d, %v, %s", size, len(got), err, res.Proto)
		}
	}
}
