package event

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

const golden = `{"kind":"span","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","parent_span_id":"","name":"GET /cart/{id}","span_kind":"server","service":"shop","peer_service":"","protocol":"http/1.1","start":"2026-01-02T03:04:05.000000006Z","end":"2026-01-02T03:04:05.001234573Z","duration_ns":1234567,"ttfb_ns":1200000,"status":"unset","status_message":"","client":"10.0.0.1:50000","server":"10.0.0.2:80","tcp_stream":0,"attempt":0,"response_flags":"UF,URX","decode_flags":["mid_stream","redacted"],"attributes":{"http.request.method":"GET","server.address":"shop.example","url.path":"/cart/7","http.response.status_code":200,"http.request.body.size":0,"http.response.body.size":12,"network.protocol.name":"http","network.protocol.version":"1.1","pitot.ttfb_ns":1200000,"pitot.decode.flags":2049}}
`

func TestJSONContract(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC).UnixNano()
	x := Exchange{
		TraceID: TraceID{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c},
		SpanID:  SpanID{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31},
		Name:    "GET /cart/{id}", Service: "shop", Protocol: HTTP11,
		Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("10.0.0.2:80"),
		Start: start, FirstByte: start + 1200000, End: start + 1234567,
		Flags: FlagUF | FlagURX, Decode: MidStream | Redacted,
		HTTP: &HTTP{Method: "GET", Host: "shop.example", Path: "/cart/7", StatusCode: 200, ResponseBody: 12, Version: "1.1"},
	}
	if got := string(x.AppendJSON(nil)); got != golden {
		t.Errorf("got  %s\nwant %s", got, golden)
	}
}

func TestNoticeJSON(t *testing.T) {
	n := Notice{Time: 1, Name: EventCaptureGap, Severity: Warn, Body: "17 bytes", Attributes: []KeyValue{{"a", "b"}, {"c", "\x00"}}}
	want := `{"kind":"event","time":"1970-01-01T00:00:00.000000001Z","name":"pitot.event.capture_gap","severity":"warn","service":"","trace_id":"","span_id":"","body":"17 bytes","attributes":{"a":"b","c":"\u0000"}}` + "\n"
	if got := string(n.AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Any bytes at all become valid JSON, and valid UTF-8 comes back unchanged.
func TestStringsSurviveJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "s"))
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if utf8.ValidString(s) && back != s {
			t.Fatalf("%q came back as %q", s, back)
		}
	})
}

func TestNamesComeBack(t *testing.T) {
	for p := range numProtocols {
		if got, ok := ParseProtocol(p.String()); !ok || got != p {
			t.Errorf("protocol %v comes back as %v", p, got)
		}
	}
	for i := range numFlags {
		flag := DecodeFlags(1 << i)
		flag.Each(func(name string) {
			if ParseDecodeFlag(name) != flag {
				t.Errorf("decode flag %s comes back as %d", name, ParseDecodeFlag(name))
			}
		})
	}
	all := ResponseFlags(1<<numResponseFlags - 1)
	if got := ParseResponseFlags(all.String()); got != all {
		t.Errorf("response flags %v come back as %v", all, got)
	}
}

// TestJSONAllocatesNothing, whatever kinds of attribute there are.
func TestJSONAllocatesNothing(t *testing.T) {
	x := Exchange{
		Name: "find orders", Client: netip.MustParseAddrPort("10.0.0.1:50000"), Start: 1e18, End: 1e18 + 5, Decode: MidStream,
		GRPC:  &RPC{Method: "a.B/C", Metadata: []KeyValue{{"pitot.grpc.metadata.x", "1"}}},
		Mongo: &Mongo{Database: "shop", Shape: 1 << 63, Site: CallSite{Name: "f", Extra: []KeyValue{{"host\n", "web-1"}}}},
	}
	buf := x.AppendJSON(nil)
	if n := testing.AllocsPerRun(100, func() { buf = x.AppendJSON(buf[:0]) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if !json.Valid(buf) {
		t.Errorf("this is no JSON: %s", buf)
	}
}

// BenchmarkJSON measures one HTTP exchange as a line.
func BenchmarkJSON(b *testing.B) {
	x := Exchange{Name: "GET /cart/{id}", Service: "shop", Protocol: HTTP11, Start: 1e18, End: 1e18 + 5, HTTP: &HTTP{Method: "GET", Path: "/cart/7", Host: "shop.example", StatusCode: 200}}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = x.AppendJSON(buf[:0])
	}
}
