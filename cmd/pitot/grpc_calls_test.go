package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/grpctest"
	"github.com/pitot-io/pitot/internal/testkit"
)

// grpcSpan is what the JSON Lines say of a call.
type grpcSpan struct {
	Name, Protocol, Status string
	Stream                 int      `json:"tcp_stream"`
	Flags                  []string `json:"decode_flags"`
	Attributes             struct {
		Stream       int64  `json:"pitot.http2.stream_id"`
		Method       string `json:"rpc.method"`
		Code         string `json:"rpc.response.status_code"`
		Message      string `json:"pitot.grpc.message"`
		Timeout      int64  `json:"pitot.grpc.timeout_ns"`
		Sent         int64  `json:"pitot.grpc.request_messages"`
		Got          int64  `json:"pitot.grpc.response_messages"`
		SentBytes    int64  `json:"pitot.grpc.request_payload"`
		GotBytes     int64  `json:"pitot.grpc.response_payload"`
		SentGzip     int64  `json:"pitot.grpc.request_compressed"`
		Streaming    string `json:"pitot.grpc.streaming"`
		RequestJSON  string `json:"pitot.grpc.request_json"`
		ResponseJSON string `json:"pitot.grpc.response_json"`
		Reset        string `json:"pitot.http2.reset"`
		Error        string `json:"error.type"`
	}
}

// grpcSpans are the calls that pitot tells of a capture, in order of their streams.
func grpcSpans(t *testing.T, file string, flags ...string) (spans []grpcSpan, text string) {
	t.Helper()
	out, says, code := pitot(t, append([]string{"replay", file, "--json", "--filter", "protocol:grpc"}, flags...)...)
	if code != exitDone {
		t.Fatal(says)
	}
	for line := range strings.Lines(out) {
		var s grpcSpan
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		if s.Name != "" && s.Protocol != "" {
			spans = append(spans, s)
		}
	}
	sort.SliceStable(spans, func(i, j int) bool { return spans[i].Attributes.Stream < spans[j].Attributes.Stream })
	return spans, out
}

// record makes calls through a relay: the capture, and what the client saw.
func recordCalls(t *testing.T, largest int32) (file string, seen []grpctest.Seen) {
	t.Helper()
	server, err := grpctest.Listen()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "calls.pcap")
	relay := testkit.NewRelay(t, server.Addr(), file)
	client, err := grpctest.Dial(relay.Addr())
	if err != nil {
		t.Fatal(err)
	}
	client.Largest = largest
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := client.Run(ctx); err != nil {
		t.Error(err)
	}
	for _, end := range []func() error{client.Close, server.Close} {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	relay.Close()
	return file, client.Seen()
}

// The spans of real calls say what their client saw.
func TestCallsAgreeWithTheirClient(t *testing.T) {
	file, seen := recordCalls(t, 1_000_000)
	spans, _ := grpcSpans(t, file)
	if len(spans) != len(seen) || len(seen) < 50 {
		t.Fatalf("%d spans of %d calls", len(spans), len(seen))
	}
	// Calls that were made at once are on the wire in another order.
	key := func(s grpctest.Seen) [4]int64 { return [4]int64{s.SentBytes, s.GotBytes, s.Sent, s.Got} }
	atOnce := map[[4]int64]int{}
	for i, want := range seen {
		s := &spans[i].Attributes
		if i >= len(seen)-20 {
			atOnce[key(want)]++
			atOnce[[4]int64{s.SentBytes, s.GotBytes, s.Sent, s.Got}]--
			continue
		}
		if want.Method == "no.Service/Here" && s.Sent == 0 { // the server knows that it cannot take the call by its head, and may say so before the message is on the wire
			want.Sent, want.SentBytes = 0, 0
		}
		if s.Method != want.Method || s.Sent != want.Sent || s.SentBytes != want.SentBytes || s.SentGzip != want.SentGzip || s.Got < want.Got || s.GotBytes < want.GotBytes {
			t.Errorf("call %d: %+v, the client saw %+v", i, s, want)
		}
		if want.OwnStatus { // it gave up: nothing on the wire says why, unless the server's deadline came at the same time
			if (s.Code != "" || s.Reset != "CANCEL") && s.Code != "DEADLINE_EXCEEDED" {
				t.Errorf("call %d: status %q, reset %q", i, s.Code, s.Reset)
			}
			continue
		}
		if s.Code != event.GRPCStatus(int32(want.Code)) || s.Message != want.Message || s.Got != want.Got || s.GotBytes != want.GotBytes {
			t.Errorf("call %d: %+v, the client saw %+v", i, s, want)
		}
		if (s.Timeout > 0) != want.Deadline || len(spans[i].Flags) > 0 {
			t.Errorf("call %d: timeout %d, flags %v", i, s.Timeout, spans[i].Flags)
		}
		serverFault := want.Code == codes.Unknown || want.Code == codes.DeadlineExceeded || want.Code == codes.Unimplemented ||
			want.Code == codes.Internal || want.Code == codes.Unavailable || want.Code == codes.DataLoss
		if (spans[i].Status == "error") != serverFault || (s.Error == s.Code) != serverFault {
			t.Errorf("call %d: %v is told as %s, error %q", i, want.Code, spans[i].Status, s.Error)
		}
	}
	for k, n := range atOnce {
		if n != 0 {
			t.Errorf("calls made at once: %v is off by %d", k, n)
		}
	}
}

func TestPayloadsAndMetadataOfACapture(t *testing.T) {
	const capture = testdata + "/grpc-go.pcap"
	plain, text := grpcSpans(t, capture)
	if strings.Contains(text, "request_json") || strings.Contains(text, "metadata") || strings.Contains(text, "secret") {
		t.Error("payloads or metadata are told though nobody asked")
	}
	spans, text := grpcSpans(t, capture, "--proto", testdata+"/grpc-go.protoset", "--grpc-metadata", "x-tenant,X-Blob-Bin,x-cost", "--grpc-payload", "60")
	kinds := map[string]string{}
	for i, s := range spans {
		a := s.Attributes
		kinds[a.Method] = a.Streaming
		if a.Sent != plain[i].Attributes.Sent || a.Got > 0 && a.Method != "no.Service/Here" && a.GotBytes < 60_000 && a.ResponseJSON == "" {
			t.Errorf("call %d: %+v", i, a)
		}
	}
	for method, want := range map[string]string{
		"grpc.testing.TestService/UnaryCall": "unary", "grpc.testing.TestService/StreamingOutputCall": "server_stream",
		"grpc.testing.TestService/StreamingInputCall": "client_stream", "grpc.testing.TestService/FullDuplexCall": "bidi", "no.Service/Here": "unary",
	} {
		if kinds[method] != want {
			t.Errorf("%s is %q, want %q", method, kinds[method], want)
		}
	}
	for _, want := range []string{
		`"pitot.grpc.request_json":"{\"responseStatus\":{\"code\":5,\"message\":\"asked for NotFound: 1..."`, `"pitot.grpc.response_json":"{\"payload\":{\"body\":\"AAcO\"},\"username\":\"ann ann ann \"}"`,
		`"rpc.request.metadata.x-tenant":"acme"`, `"rpc.request.metadata.x-blob-bin":"AAH/"`, `"rpc.response.metadata.x-cost":"7"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not told", want)
		}
	}
	if strings.Contains(text, "Bearer") {
		t.Error("a secret is told")
	}
}
