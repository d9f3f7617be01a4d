package e2e

import (
	"bytes"
	"encoding/base64"
	wire "encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// A browser's call reaches a server of gRPC, which knows nothing of browsers.
func TestGRPCWebReachesAServerOfGRPC(t *testing.T) {
	p := start(t, fmt.Sprintf(`
listeners:
  - {name: web, address: "127.0.0.1:0", protocol: http, cluster: interop, grpc_web: true}
clusters:
  - {name: interop, protocol: http2, endpoints: [%s]}
admin: {address: 127.0.0.1:0}
`, namedServers(t, 1)[0]))
	for _, text := range []bool{false, true} {
		trailers, answer := webCall(t, p.at("web"), "UnaryCall", &testgrpc.SimpleRequest{ResponseSize: 1000}, text)
		var r testgrpc.SimpleResponse
		if err := proto.Unmarshal(answer, &r); err != nil || len(r.Payload.GetBody()) != 1000 {
			t.Errorf("text %v: a message of %d bytes, %v", text, len(r.Payload.GetBody()), err)
		}
		if !strings.Contains(trailers, "grpc-status: 0\r\n") {
			t.Errorf("text %v: trailers %q", text, trailers)
		}
		if trailers, _ := webCall(t, p.at("web"), "UnimplementedCall", &testgrpc.Empty{}, text); !strings.Contains(trailers, "grpc-status: 12") {
			t.Errorf("text %v: a call that the server does not know: %q", text, trailers)
		}
	}
}

// webCall makes a call as PROTOCOL-WEB says, and gives the trailers, be they
// a frame or fields, and the message.
func webCall(t *testing.T, address, method string, m proto.Message, text bool) (trailers string, answer []byte) {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	body, kind := append(wire.BigEndian.AppendUint32([]byte{0}, uint32(len(b))), b...), "application/grpc-web+proto"
	if text {
		body, kind = []byte(base64.StdEncoding.EncodeToString(body)), "application/grpc-web-text+proto"
	}
	a, err := http.Post("http://"+address+"/grpc.testing.TestService/"+method, kind, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	got, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != 200 || a.Header.Get("Content-Type") != kind {
		t.Fatalf("status %s, type %q, %v", a.Status, a.Header.Get("Content-Type"), err)
	}
	if text {
		got = fromText(t, string(got))
	}
	trailers = "grpc-status: " + a.Header.Get("Grpc-Status") + "\r\n"
	for len(got) >= 5 {
		n := 5 + int(wire.BigEndian.Uint32(got[1:]))
		if got[0]&0x80 != 0 {
			trailers = string(got[5:n])
		} else {
			answer = got[5:n]
		}
		got = got[n:]
	}
	return trailers, answer
}

// fromText undoes base64 that may be padded in between.
func fromText(t *testing.T, s string) (all []byte) {
	for s != "" {
		n := len(s)
		if i := strings.IndexByte(s, '='); i >= 0 {
			n = i/4*4 + 4
		}
		b, err := base64.StdEncoding.DecodeString(s[:n])
		if err != nil {
			t.Fatal(err)
		}
		all, s = append(all, b...), s[n:]
	}
	return all
}
