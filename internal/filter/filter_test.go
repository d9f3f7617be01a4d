package filter

import (
	"errors"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

func cart() *event.Exchange {
	return &event.Exchange{
		TraceID: event.TraceID{0x4b, 0xf9, 0x2f}, Kind: event.Server, Protocol: event.HTTP11,
		Name: "GET /cart/{id}", Service: "shop", Peer: "web",
		Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("[::1]:8080"),
		Start: 1e9, FirstByte: 1e9 + 20e6, End: 1e9 + 150e6, RequestBytes: 300, ResponseBytes: 12_000,
		Status: event.Error, StatusMessage: "upstream reset", ErrorType: "503",
		Listener: "front", Cluster: "shop", Endpoint: "10.0.0.2:80", Attempt: 1, Flags: event.FlagUR | event.FlagURX,
		Decode: event.MidStream | event.Redacted, Stream: 7, Capture: "tuesday",
		HTTP: &event.HTTP{Method: "GET", Host: "shop.example", Path: "/cart/7", Template: "/cart/{id}", StatusCode: 503},
	}
}

func find() *event.Exchange {
	return &event.Exchange{
		Kind: event.Client, Protocol: event.MongoDB, Name: "find orders", Service: "shop", Start: 5e9, End: 5e9 + 2e6,
		Mongo: &event.Mongo{
			Database: "shop", Collection: "orders", Operation: "find", Query: `{"user":?}`, Shape: 77,
			Await: true, Code: 96, CodeName: "OperationFailed", Site: event.CallSite{Name: "Cart.load app/cart.rb:90"},
		},
	}
}

func TestMatchGRPC(t *testing.T) {
	call := &event.Exchange{Protocol: event.GRPC, Name: "shop.Cart/Get", HTTP: &event.HTTP{Method: "POST", StatusCode: 200}, GRPC: &event.RPC{Method: "shop.Cart/Get", Status: 14}}
	web := &event.Exchange{Protocol: event.HTTP11, Name: "shop.Cart/Get", HTTP: &event.HTTP{Method: "POST", StatusCode: 200}, GRPC: &event.RPC{Method: "shop.Cart/Get", Status: -1}}
	for _, c := range []struct {
		expr            string
		call, web, http bool
	}{
		{"protocol:grpc", true, true, false},
		{"protocol:http", false, true, true},
		{"rpc:shop.cart/get", true, true, false},
		{"rpc~^shop", true, true, false},
		{`rpc:""`, false, false, true},
		{"grpc_status:UNAVAILABLE", true, false, false},
		{"grpc_status:unavailable,ok", true, false, false},
		{"grpc_status:14", true, false, false},
		{"grpc_status!=ok rpc~.", true, true, false},
		{`grpc_status:""`, false, true, true},
		{"grpc_status~^UN", true, false, false},
		{"status:200", true, true, false},
	} {
		f, err := Parse(c.expr)
		if err != nil {
			t.Errorf("Parse(%s): %v", c.expr, err)
			continue
		}
		if got := [3]bool{f.Match(call), f.Match(web), f.Match(cart())}; got != [3]bool{c.call, c.web, c.http} {
			t.Errorf("%s: %v", c.expr, got)
		}
	}
	if _, err := Parse("grpc_status:BROKEN"); err == nil || !strings.Contains(err.Error(), "no status of gRPC") {
		t.Error(err)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		expr       string
		http, mong bool
	}{
		{"", true, true},
		{"protocol:mongodb", false, true},
		{"protocol:mongo", false, true},
		{"protocol=http", true, false},
		{"proto:http/1.1,mongodb", true, true},
		{"service:SHOP", true, true},
		{"service!=shop", false, false},
		{"-service:shop", false, false},
		{"-service!=shop", true, true},
		{"peer:web", true, false},
		{"method:get", true, false},
		{"path~^/cart/[0-9]+$", true, false},
		{"-path~^/health", true, true},
		{"path!~^/cart", false, true},
		{`path:""`, false, true},
		{"host:shop.example", true, false},
		{"status:error", true, false},
		{"status:ok,unset", false, true},
		{"status:5xx", true, false},
		{"status:503", true, false},
		{"status>=500", true, false},
		{"-status>=500", false, true},
		{"status:4xx,503", true, false},
		{"status~^err", true, false},
		{"code:503", true, false},
		{"code:96", false, true},
		{"code:operationfailed", false, true},
		{"code>100", true, false},
		{"duration>100ms", true, false},
		{"dur<=2ms", false, true},
		{"duration:150ms", true, false},
		{"ttfb<1s", true, false},
		{"ttfb>=0s", true, false},
		{"response_bytes>=12k", true, false},
		{"response_bytes>12kB", false, false},
		{"response_bytes>11KiB", true, false},
		{"request_bytes:300", true, false},
		{"db:shop collection:orders operation:find", false, true},
		{"call_site~Cart", false, true},
		{`call_site:""`, true, false},
		{`site~"app/cart\.rb:9\d"`, false, true},
		{"shape:77", false, true},
		{"shape:78", false, false},
		{`shape~"user"`, false, true},
		{`shape:"{\"user\":?}"`, false, true},
		{"error:503", true, false},
		{`error:""`, false, true},
		{"error~reset", true, false},
		{"flags:URX", true, false},
		{"flags:ur,nr", true, false},
		{"flags:NR", false, false},
		{`flags:""`, false, true},
		{"flags~^U.X", true, false},
		{"flags~^R", false, false},
		{"decode:mid_stream", true, false},
		{`decode:""`, false, true},
		{"decode~stream", true, false},
		{"decode~gap", false, false},
		{"client:10.0.0.1", true, false},
		{"client:10.0.0.0/8", true, false},
		{"client:10.0.0.1:50001", false, false},
		{"client:10.0.0.1:50000", true, false},
		{"server::8080", true, false},
		{"server:[::1]:8080", true, false},
		{"server:::1", true, false},
		{"listener:front", true, false},
		{"route:/cart/{id}", true, false},
		{"cluster:shop endpoint:10.0.0.2:80", true, false},
		{"capture:tuesday", true, false},
		{"trace_id:4bf9", true, false},
		{"trace_id:4BF92F00000000000000000000000000", true, false},
		{"trace_id:4bf92f0", true, false},
		{"trace_id:4bf92f1", false, false},
		{`trace_id:""`, false, true},
		{"kind:client", false, true},
		{"stream:7", true, false},
		{"attempt>0", true, false},
		{"chatter:true", false, false},
		{"chatter:false", false, true},
		{"-chatter:true", true, true},
		{"await:true", false, true},
		{"cart", true, true},
		{"CART.LOAD", false, true},
		{"find,/cart/7", true, true},
		{"-cart.load", true, false},
		{"!kind=client", true, false},
		{`"cart load"`, false, false},
		{`"find orders"`, false, true},
		{"10.0.0.1:80", false, false},
	} {
		f, err := Parse(c.expr)
		if err != nil {
			t.Errorf("Parse(%s): %v", c.expr, err)
			continue
		}
		if got := f.Match(cart()); got != c.http {
			t.Errorf("%s on HTTP: %t, want %t", c.expr, got, c.http)
		}
		if got := f.Match(find()); got != c.mong {
			t.Errorf("%s on MongoDB: %t, want %t", c.expr, got, c.mong)
		}
	}
}

func TestNilFilterFitsEverything(t *testing.T) {
	var f *Filter
	if !f.Match(cart()) || f.String() != "" {
		t.Error("a nil filter must fit everything and print as nothing")
	}
}

func TestRouteOfAProxyHidesTheGuess(t *testing.T) {
	x := cart()
	x.Route = "carts"
	f, _ := Parse("route:/cart/{id}")
	if f.Match(x) {
		t.Error("the guess must not count where the proxy's route is known")
	}
}

func TestErrorsPointAtThePlace(t *testing.T) {
	for _, c := range []struct {
		expr   string
		column int
		say    string
	}{
		{"service:shop calsite:x", 14, `did you mean "call_site"`},
		{"zzzzqqq:x", 1, "fields are protocol, service"},
		{"durations>5ms", 1, `did you mean "duration"`},
		{"bytes>5", 1, `did you mean "request_bytes"`},
		{"duration>5", 10, "100ms"},
		{"duration~5", 9, `duration does not take "~"`},
		{"dur~5", 4, `it takes : = !=`},
		{"path>5", 5, "it takes : = != ~ !~"},
		{"stream:x", 8, "no whole number"},
		{"request_bytes>10q", 15, "4KiB"},
		{"request_bytes>-1", 15, "4KiB"},
		{"path~(", 6, "missing closing )"},
		{"status:fine", 8, "a class such as 5xx"},
		{"status:ok,fine", 11, "a class such as 5xx"},
		{"protocol:smtp", 10, "mongodb"},
		{"kind:x", 6, "server and client"},
		{"flags:XX", 7, "URX"},
		{"decode:x", 8, "mid_stream"},
		{"client:x", 8, "10.0.0.0/8"},
		{"client:80", 8, ":80"},
		{"trace_id:xyz", 10, "32 hex digits"},
		{"path:", 6, `after "path:"`},
		{"path:a,", 8, `after "path:a,"`},
		{`path:"a`, 6, "not closed"},
		{`path:"a"b`, 9, "space is missing"},
		{"-", 2, "a term is missing"},
		{`""`, 1, "the empty text"},
		{"é zz:x", 3, "unknown field"},
		{"a\xff", 1, "UTF-8"},
		{strings.Repeat("a", MaxLength+1), MaxLength + 1, "at most 4096"},
	} {
		_, err := Parse(c.expr)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%s) = %v, want an *Error", c.expr, err)
			continue
		}
		if e.column()+1 != c.column || !strings.Contains(e.Error(), c.say) {
			t.Errorf("Parse(%.40s): column %d, %q; want column %d and %q", c.expr, e.column()+1, e, c.column, c.say)
		}
	}
}

func TestErrorNamesTheColumn(t *testing.T) {
	_, err := Parse("é duration>5")
	if want := `at column 12: duration: "5" is no duration; write it like 100ms, 1.5s or 2m`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// The page for users tells of every field.
func TestDocumentationNamesEveryField(t *testing.T) {
	page, err := os.ReadFile("../../docs/filter.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range fieldNames() {
		if !strings.Contains(string(page), "| `"+name+"`") {
			t.Errorf("docs/filter.md lacks a row for %s", name)
		}
	}
}

// Every example of the page is an expression.
func TestExamplesOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/filter.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```filter\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(examples) == 0 {
		t.Fatal("no examples")
	}
	for _, e := range examples {
		for line := range strings.Lines(e[1]) {
			expr, _, _ := strings.Cut(line, "   ")
			if _, err := Parse(strings.TrimSpace(expr)); err != nil {
				t.Errorf("%s: %v", expr, err)
			}
		}
	}
}

func TestString(t *testing.T) {
	for in, want := range map[string]string{
		"  proto=HTTP   dur>1s ":   "protocol:HTTP duration>1s",
		"!a service!=x -path!~b":   "-a -service:x path~b",
		`"a b",c path:"x,y",z`:     `"a b",c path:"x,y",z`,
		`path~"\d+ \\ \""`:         `path~"\\d+ \\ \""`,
		`"status:error" "-x" a,-b`: `"status:error" "-x" a,-b`,
	} {
		f, err := Parse(in)
		if err != nil || f.String() != want {
			t.Errorf("%s became %s, want %s (%v)", in, f, want, err)
		}
	}
}

const withoutRegexps = `protocol:http service:shop,x status>=500 duration>100ms response_bytes>1k client:10.0.0.0/8 ` +
	`server::8080 flags:UR decode~mid trace_id:4bf cart -call_site:Other code:503`

const everything = withoutRegexps + ` -path~^/health path~^/c error~reset shape!~x`

// Regular expressions take their machines from a pool, which the race detector
// empties at random: BenchmarkMatch tells about them.
func TestMatchAllocatesNothing(t *testing.T) {
	f, err := Parse(withoutRegexps)
	if err != nil {
		t.Fatal(err)
	}
	x := cart()
	if !f.Match(x) {
		t.Fatal("must fit")
	}
	if n := testing.AllocsPerRun(100, func() { f.Match(x) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"(a or -(b c)) and not d", "path~(x or (y)", "((a)", everything, `path~"\d+ \\ \""`, `a,"b c",-d`, "-", "!!a", "-path!=x", `shape:"{\"u\":?}"`, "trace_id:4bf", "a:", "\u00a0x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > len(s) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		b, err := Parse(a.String())
		if err != nil && len(a.String()) <= MaxLength {
			t.Fatalf("%q became %q: %v", s, a, err)
		}
		if err != nil {
			return
		}
		for _, x := range []*event.Exchange{cart(), find(), {}} {
			if a.Match(x) != b.Match(x) {
				t.Fatalf("%q and %q differ", a, b)
			}
		}
		if a.String() != b.String() {
			t.Fatalf("%q became %q", a, b)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	f, _ := Parse(everything)
	x := cart()
	b.ReportAllocs()
	for b.Loop() {
		f.Match(x)
	}
}
