package event

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Every field that the contract carries comes back. Fields are found by
// reflection, so a new one without its line in parsing fails here.
func TestExchangeComesBackFromJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want Exchange
		fill(t, reflect.ValueOf(&want).Elem())
		normalise(&want)
		line := want.AppendJSON(nil)
		got, n, err := ParseJSON(line)
		if err != nil || n != nil {
			t.Fatalf("%s: %v, %v", line, n, err)
		}
		if diff := cmp.Diff(&want, got, sameAddr); diff != "" {
			t.Fatalf("%s\n%s", line, diff)
		}
	})
}

func TestNoticeComesBackFromJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want Notice
		fill(t, reflect.ValueOf(&want).Elem())
		want.Severity %= 3
		want.Time &= 1<<62 - 1
		line := want.AppendJSON(nil)
		x, got, err := ParseJSON(line)
		if err != nil || x != nil {
			t.Fatalf("%s: %v, %v", line, x, err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Fatalf("%s\n%s", line, diff)
		}
	})
}

var sameAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

// fill gives every field of v any value.
func fill(t *rapid.T, v reflect.Value) {
	if v.Type() == reflect.TypeFor[netip.AddrPort]() {
		v.Set(reflect.ValueOf(rapid.SampledFrom([]netip.AddrPort{{}, netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("[2001:db8::1]:65535")}).Draw(t, "addr")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.SampledFrom([]string{"", "a", "\"\\\n\x00\x7f", "\u2028\U0001f600é"}), rapid.String()).Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.Int64Range(-1<<(v.Type().Bits()-1), 1<<(v.Type().Bits()-1)-1).Draw(t, "int"))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.Uint64Range(0, 1<<(v.Type().Bits()-1)).Draw(t, "uint"))
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Slice:
		for i := range rapid.IntRange(0, 3).Draw(t, "len") {
			e := reflect.New(v.Type().Elem()).Elem()
			if kv, ok := e.Addr().Interface().(*KeyValue); ok {
				*kv = KeyValue{Key: fmt.Sprint("key.", i), Value: rapid.StringN(1, 5, 20).Draw(t, "value")}
			} else {
				fill(t, e)
			}
			v.Set(reflect.Append(v, e))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		t.Fatalf("no values for %s", v.Type())
	}
}

// normalise takes away what the contract does not carry.
func normalise(x *Exchange) {
	const century = 1<<62 - 1
	x.Start, x.End, x.FirstByte = x.Start&century, x.End&century, x.FirstByte&century
	if x.FirstByte <= x.Start {
		x.FirstByte = 0
	}
	x.TraceState = ""
	x.Kind, x.Status, x.Protocol = x.Kind%2, x.Status%3, x.Protocol%numProtocols
	x.Flags &= 1<<numResponseFlags - 1
	x.Decode &= 1<<numFlags - 1
	if h := x.HTTP; h != nil && h.StatusCode == 0 {
		h.ResponseBody = 0
	}
	if h := x.HTTP; h != nil {
		h.Detail = nil
	}
	if w := x.WebSocket; w != nil {
		w.Messages = nil
	}
	if g := x.GRPC; g != nil {
		g.Status = max(-1, g.Status)
		for i := range g.Metadata {
			g.Metadata[i].Key = AttrRPCRequestMetadata + g.Metadata[i].Key
		}
	}
	m := x.Mongo
	if m == nil {
		return
	}
	m.Class %= 4
	if m.Class == 3 {
		m.Class = ClassScatter
	}
	m.Transaction, m.CursorKind = m.Transaction%TxnStep(len(txnSteps)), m.CursorKind%CursorKind(len(cursorKinds))
	if h := m.Handshake; h != nil && h.MaxWire == 0 {
		h.MinWire = 0
	}
	if h := m.Handshake; h != nil && *h == (MongoHandshake{}) {
		m.Handshake = nil
	}
	if MongoOpcode(m.Opcode) == "" {
		m.Opcode = 0
	}
	if x.Decode&NoRequest != 0 {
		m.RequestID = 0
	}
	m.Returned, m.Affected, m.TxnNumber = max(-1, m.Returned), max(-1, m.Affected), max(-1, m.TxnNumber)
	if m.Batch < 2 {
		m.Batch = 0
	}
	if m.Replies < 2 {
		m.Replies = 0
	}
	m.Site.TraceID, m.Site.SpanID, m.Site.TraceState, m.Site.Truncated = TraceID{}, SpanID{}, "", false
}

func TestOpcodeAsTextOrNumber(t *testing.T) {
	for _, op := range []string{`2013`, `"2013"`, `"OP_MSG"`, `"msg"`} {
		x, _, err := ParseJSON([]byte(`{"kind":"span","attributes":{"pitot.mongo.opcode":` + op + `}}`))
		if err != nil || x.Mongo == nil || x.Mongo.Opcode != 2013 {
			t.Errorf("%s: %+v, %v", op, x, err)
		}
	}
}

func TestUnknownKeysArePassedOver(t *testing.T) {
	line := ` { "later":[1,{"a":[true,null,-1.5e3]},"x\u00e9\ud83d\ude00"] , "kind" : "span","name":"a\/b","attributes":{"x":{"y":1},"url.path":"/"}} `
	x, _, err := ParseJSON([]byte(line))
	if err != nil || x.Name != "a/b" || x.HTTP == nil || x.HTTP.Path != "/" {
		t.Errorf("%+v, %v", x, err)
	}
}

func TestParseJSONRefuses(t *testing.T) {
	for line, say := range map[string]string{
		``:                                                "neither span nor event",
		`nonsense`:                                        "neither",
		`{"kind":"metric"}`:                               `kind "metric"`,
		`{"kind":"span"`:                                  "is missing",
		`{"kind":"span"}}`:                                "more than one",
		`{"kind":"span","name":"x}`:                       "not closed",
		`{"kind":"span","name":"\q"}`:                     "no escape",
		`{"kind":"span","name":"\u12"}`:                   "hex digits",
		`{"kind":"span","x":01}`:                          "value is missing",
		`{"kind":"span","x":+1}`:                          "value is missing",
		`{"kind":"span","start":"today"}`:                 "RFC 3339",
		`{"kind":"span","trace_id":"12"}`:                 "2 hex digits, not 32",
		`{"kind":"span","attempt":256}`:                   "attempt",
		`{"kind":"span","client":"localhost"}`:            "no address",
		`{"kind":"span","x":` + strings.Repeat("[", 1000): "nested deeper than 32",
	} {
		x, n, err := ParseJSON([]byte(line))
		if err == nil || x != nil || n != nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%.60s: %v, want %q", line, err, say)
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(mongoLine()))
	f.Add([]byte(`{"kind":"event","time":"2026-01-02T03:04:05Z","attributes":{"a":1}}`))
	f.Add([]byte(`{"x":[1,{"a":[true,null,-1.5e3]},"\u00e9\ud83d\ude00"],"kind":"span"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		x, n, err := ParseJSON(line)
		if err != nil {
			return
		}
		if !json.Valid(line) {
			t.Fatalf("%q is no JSON", line)
		}
		again := appendEither(x, n)
		x, n, err = ParseJSON(again)
		if err != nil {
			t.Fatalf("%q became %q: %v", line, again, err)
		}
		if last := appendEither(x, n); string(last) != string(again) {
			t.Fatalf("%q became\n%q, then\n%q", line, again, last)
		}
	})
}

func appendEither(x *Exchange, n *Notice) []byte {
	if x != nil {
		return x.AppendJSON(nil)
	}
	return n.AppendJSON(nil)
}

func mongoLine() string {
	x := Exchange{
		Name: "find orders", Service: "shop", Protocol: MongoDB, Start: 1e18, FirstByte: 1e18 + 4, End: 1e18 + 5,
		Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("10.0.0.2:27017"),
		Mongo: &Mongo{
			Database: "shop", Collection: "orders", Operation: "find", Query: `{"user":?}`, Shape: 77, Returned: 3, Affected: -1, TxnNumber: -1,
			Opcode: 2013, Site: CallSite{Name: "Cart.load app/cart.rb:90", Function: "Cart.load", File: "app/cart.rb", Line: 90, Text: "a\"b"},
		},
	}
	return string(x.AppendJSON(nil))
}

// BenchmarkParseJSON measures one HTTP and one MongoDB line.
func BenchmarkParseJSON(b *testing.B) {
	http, mongo := []byte(golden), []byte(mongoLine())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseJSON(http); err != nil {
			b.Fatal(err)
		}
		if _, _, err := ParseJSON(mongo); err != nil {
			b.Fatal(err)
		}
	}
}
