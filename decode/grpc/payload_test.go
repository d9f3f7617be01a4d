package grpc

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

const shop = `syntax = "proto3"; package shop;
import "google/protobuf/any.proto"; import "google/protobuf/timestamp.proto";
message Req { string user = 1; repeated Item items = 2; map<string, Item> by_name = 3; google.protobuf.Any any = 4; google.protobuf.Timestamp at = 5; Req more = 6; }
message Item { int64 id = 1; string card = 2 [debug_redact = true]; }
service Cart { rpc Get(Req) returns (Item); rpc Watch(stream Req) returns (stream Item); rpc Put(stream Req) returns (Item); rpc List(Req) returns (stream Item); }`

// schemaOf compiles shop.
func schemaOf(t testing.TB) *protoregistry.Files {
	t.Helper()
	r := &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"shop.proto": shop})}
	compiled, err := (&protocompile.Compiler{Resolver: protocompile.WithStandardImports(r)}).Compile(t.Context(), "shop.proto")
	if err != nil {
		t.Fatal(err)
	}
	files := new(protoregistry.Files)
	if err := files.RegisterFile(compiled[0]); err != nil {
		t.Fatal(err)
	}
	return files
}

// encoded is JSON of the message shop.NAME as protobuf.
func encoded(t testing.TB, files *protoregistry.Files, name, json string) string {
	t.Helper()
	d, err := files.FindDescriptorByName(protoreflect.FullName("shop." + name))
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
	if err := (protojson.UnmarshalOptions{Resolver: dynamicpb.NewTypes(files)}).Unmarshal([]byte(json), m); err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func zip(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPayloadsAsJSON(t *testing.T) {
	files := schemaOf(t)
	l := New(Options{Descriptors: files, Message: 2000, Payload: 300})
	req := func(json string) string { return encoded(t, files, "Req", json) }
	for name, c := range map[string]struct {
		encoding, in, want string
		dec                event.DecodeFlags
	}{
		"plain":            {"", msg(req(`{"user":"ann","items":[{"id":"7"}],"at":"2026-01-02T03:04:05Z"}`)), `{"user":"ann","items":[{"id":"7"}],"at":"2026-01-02T03:04:05Z"}`, 0},
		"empty":            {"", msg(""), "{}", 0},
		"the first of two": {"", msg(req(`{"user":"a"}`)) + msg(req(`{"user":"b"}`)), `{"user":"a"}`, 0},
		"gzip":             {"gzip", flagged(1, zip(t, req(`{"user":"ann"}`))), `{"user":"ann"}`, 0},
		"not compressed":   {"gzip", msg(req(`{"user":"ann"}`)), `{"user":"ann"}`, 0},
		"a bomb":           {"gzip", flagged(1, zip(t, strings.Repeat("x", 1<<20))), "", event.Undecoded},
		"snappy":           {"snappy", flagged(1, "abc"), "", event.Undecoded},
		"no gzip":          {"gzip", flagged(1, "abc"), "", event.Undecoded},
		"over the limit":   {"", msg(req(`{"user":"` + strings.Repeat("x", 2000) + `"}`)), "", 0},
		"cut":              {"", msg(req(`{"user":"` + strings.Repeat("é", 400) + `"}`)), `{"user":"` + strings.Repeat("é", 145) + `...`, 0},
		"no protobuf":      {"", msg("\x0a\xff"), "", 0},
		"marked":           {"", msg(req(`{"user":"a","items":[{"id":"1","card":"4111"}],"byName":{"x":{"card":"4111"}},"more":{"items":[{"card":"4111"}]}}`)), `{"user":"a","items":[{"id":"1"}],"byName":{"x":{}},"more":{"items":[{}]}}`, event.Redacted},
		"any":              {"", msg(req(`{"any":{"@type":"type.googleapis.com/shop.Item","id":"3"}}`)), `{"any":{"@type":"type.googleapis.com/shop.Item","id":"3"}}`, 0},
		"marked in any":    {"", msg(req(`{"any":{"@type":"type.googleapis.com/shop.Item","id":"3","card":"4111"}}`)), `{"any":{"@type":"type.googleapis.com/shop.Item","id":"3"}}`, event.Redacted},
		"unknown any":      {"", msg("\x22\x05\x0a\x03a/b"), "", 0},
		"too deep":         {"", msg(deep(200)), "", 0},
	} {
		r := post
		if c.encoding != "" {
			r += block("grpc-encoding: " + c.encoding + "\n")
		}
		e := &exchange{request: r, in: c.in, answer: ok, out: msg(encoded(t, files, "Item", `{"id":"5"}`)), trailers: fine}
		for _, cut := range []func(int) int{whole, func(int) int { return 1 }} {
			x := play(l, conn(), e, cut).Exchanges[0]
			if x.GRPC.RequestJSON != c.want || x.Decode != c.dec || x.GRPC.ResponseJSON != `{"id":"5"}` || x.GRPC.Streaming != "unary" {
				t.Errorf("%s: %q, flags %b, %s", name, x.GRPC.RequestJSON, x.Decode, x.GRPC.ResponseJSON)
			}
		}
	}
}

// deep is a message in n others.
func deep(n int) (s string) {
	for range n {
		size := len(s)
		if size < 128 {
			s = "\x32" + string(rune(size)) + s
		} else {
			s = "\x32" + string([]byte{byte(size | 0x80), byte(size >> 7)}) + s
		}
	}
	return s
}

func TestStreamingIsWhatTheDescriptorSays(t *testing.T) {
	l := New(Options{Descriptors: schemaOf(t)})
	for method, want := range map[string]string{"Get": "unary", "Watch": "bidi", "Put": "client_stream", "List": "server_stream", "Other": ""} {
		x := play(l, conn(), &exchange{request: block(":path: /shop.Cart/" + method + "\ncontent-type: application/grpc\n"), in: msg(""), reset: true}, whole).Exchanges[0]
		if x.GRPC.Streaming != want {
			t.Errorf("%s: %q", method, x.GRPC.Streaming)
		}
	}
}

func TestJSONCodecIsTakenAsItIs(t *testing.T) {
	l := New(Options{Descriptors: schemaOf(t)})
	e := &exchange{request: ":path: /shop.Cart/Get\ncontent-type: application/grpc+json\n", in: msg(`{ "user": "ann" }`), answer: ok, out: msg("{no json"), trailers: fine}
	if x := play(l, conn(), e, whole).Exchanges[0]; x.GRPC.RequestJSON != `{"user":"ann"}` || x.GRPC.ResponseJSON != "" {
		t.Errorf("%+v", x.GRPC)
	}
}

func TestHoledMessagesAreNotTurnedIntoJSON(t *testing.T) {
	l := New(Options{Descriptors: schemaOf(t)})
	k := l.Open(conn(), post, nil)
	k.Data(event.ToServer, 1, []byte(msg("\x0a\x04abcd")[:7]))
	k.Lost(event.ToServer, 1, 4)
	x := event.Exchange{HTTP: &event.HTTP{}}
	if k.Finish(&x); x.GRPC.RequestMessages != 1 || x.GRPC.RequestJSON != "" {
		t.Errorf("%+v", x.GRPC)
	}
}

func TestInspectTellsJSONOfEveryMessage(t *testing.T) {
	files, got := schemaOf(t), []string(nil)
	c := conn()
	c.Inspect = func(m *decode.Message) { got = append(got, strings.Clone(m.Text)) }
	item := func(id string) string { return msg(encoded(t, files, "Item", `{"id":"`+id+`"}`)) }
	play(New(Options{Descriptors: files}), c, &exchange{request: ":path: /shop.Cart/List\ncontent-type: application/grpc\n", answer: ok, out: item("1") + item("2")}, whole)
	if want := `shop.Cart/List #1 {"id":"1"}|shop.Cart/List #2 {"id":"2"}`; strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
}
