package callsite

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	bsonlib "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// parse reads any value that the official library can marshal.
func parse(t testing.TB, v any, o Options) *event.CallSite {
	t.Helper()
	doc, err := bsonlib.Marshal(bsonlib.D{{Key: "comment", Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := bson.Lookup(doc, "comment")
	var s Scratch
	out := new(event.CallSite)
	Parse(e, len(e.Value), o, &s, out)
	return out
}

// tell writes every field that is set.
func tell(c *event.CallSite) string {
	var b []string
	add := func(k, v string) {
		if v != "" {
			b = append(b, k+"="+v)
		}
	}
	add("name", c.Name)
	add("function", c.Function)
	add("file", c.File)
	if c.Line != 0 {
		add("line", fmt.Sprint(c.Line))
	}
	if c.Column != 0 {
		add("column", fmt.Sprint(c.Column))
	}
	add("app", c.Application)
	add("env", c.Environment)
	add("controller", c.Controller)
	add("action", c.Action)
	add("route", c.Route)
	add("text", c.Text)
	add("stack", strings.ReplaceAll(c.Stack, "\n", "|"))
	if !c.TraceID.IsZero() {
		add("trace", hex.EncodeToString(c.TraceID[:])+"/"+hex.EncodeToString(c.SpanID[:]))
	}
	add("tracestate", c.TraceState)
	for _, kv := range c.Extra {
		add("comment."+kv.Key, kv.Value)
	}
	if c.Truncated {
		b = append(b, "truncated")
	}
	return strings.Join(b, " ")
}

const (
	parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	traced = "trace=0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331"
)

type d = bsonlib.D

func pair2(k string, v any) bsonlib.E { return bsonlib.E{Key: k, Value: v} }

func TestFormats(t *testing.T) {
	uuid := "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
	for _, c := range []struct {
		comment any
		want    string
	}{
		// The table of the specification, in its order.
		{`{"callingFunction":"Cart.load","hostname":"web-1"}`, "name=Cart.load function=Cart.load comment.hostname=web-1"},
		{`action='index',controller='orders',framework='rails'`, "name=orders#index controller=orders action=index comment.framework=rails"},
		{`/*route='%%2Fcart%%2F:id',traceparent='` + parent + `'*/`, "name=/cart/:id route=/cart/:id " + traced},
		{`nightly report,dddbs='orders',dde='prod',ddps='shop',ddpv='1.2'`, "name=nightly report app=shop env=prod text=nightly report comment.dddbs=orders comment.ddpv=1.2"},
		{`name='O\'Neil',code.function='f'`, "name=f function=f comment.name=O'Neil"},
		{`app/models/cart.go:90`, "name=app/models/cart.go:90 file=app/models/cart.go line=90"},
		{`load_cart (app/cart.py:12)`, "name=load_cart function=load_cart file=app/cart.py line=12"},
		{`load@cart.js:10:3`, "name=load function=load file=cart.js line=10 column=3"},
		{`github.com/acme/shop.(*Cart).Load`, "name=github.com/acme/shop.(*Cart).Load function=github.com/acme/shop.(*Cart).Load"},
		{`Acme::Cart.load`, "name=Acme::Cart.load function=Acme::Cart.load"},
		{d{pair2("traceparent", parent), pair2("text", "hi")}, "name=hi text=hi " + traced},
		{d{pair2("code", d{pair2("function", d{pair2("name", "A.b")}), pair2("file", d{pair2("path", "a.rb")}), pair2("line", d{pair2("number", 7)})})}, "name=A.b function=A.b file=a.rb line=7"},
		{bsonlib.A{"views.py(31)", "orm.py(8)"}, "name=views.py:31 file=views.py line=31 stack=views.py(31)|orm.py(8)"},
		{bsonlib.A{"mine", "dddb='x',ddps='shop'"}, "name=mine app=shop text=mine comment.dddb=x"},
		{`user 64f1c0ffee12345678901234 export`, "text=user 64f1c0ffee12345678901234 export"},
		{`a='1' trailing`, "name=a='1' trailing text=a='1' trailing"},
		{`{"callingFunction":`, `text={"callingFunction":`},
		{42, "text=42"},
		{nil, ""},

		// Every word of the algorithm that the table leaves out.
		{"", ""},
		{"   ", ""},
		{d{}, ""},
		{bsonlib.A{}, ""},
		{true, "text=true"},
		{`{"ferretDB":{"traceID":"0af7651916cd43dd8448eb211c80319c","spanID":"b7ad6b7169203331"}}`, traced},
		{`{"traceparent":"00-00000000000000000000000000000000-b7ad6b7169203331-01"}`, ""},
		{`{"traceparent":"` + strings.ToUpper(parent) + `"}`, ""},
		{d{pair2("traceparent", parent), pair2("tracestate", "a=b")}, traced + " tracestate=a=b"},
		{`{"func":"late","callingFunction":"first"}`, "name=first function=first"},
		{`{"file":"a.go","line":"12"}`, "name=a.go:12 file=a.go line=12"},
		{`{"file":"a.go","line":10000001}`, "file=a.go"},
		{`{"a":{"b":{"c":1,"d":{"e":2}}}}`, "comment.a.b.c=1"},
		{`{"a":[1,{"method":"no"}],"b":null,"c":false}`, "comment.c=false"},
		{`{"function":"x\u0041\n\"y"}`, "name=xA\n\"y function=xA\n\"y"},
		{`{"function":"\ud83d\ude00"}`, "name=😀 function=😀"},
		{`{"function":"x"} tail`, `text={"function":"x"} tail`},
		{`{"n":01}`, `text={"n":01}`},
		{`load(cart.py:12)`, "name=load(cart.py:12) text=load(cart.py:12)"},
		{`C:\src\Cart.cs:10`, `name=C:\src\Cart.cs:10 file=C:\src\Cart.cs line=10`},
		{`cart.js:10:3`, "name=cart.js:10 file=cart.js line=10 column=3"},
		{`cart.py(0)`, "name=cart.py(0) text=cart.py(0)"},
		{`Cart#load!`, "name=Cart#load! function=Cart#load!"},
		{`Cart->load`, "name=Cart->load function=Cart->load"},
		{`www.example.com`, "name=www.example.com function=www.example.com"},
		{`handlers/people.go:41 createPerson`, "name=handlers/people.go:41 createPerson text=handlers/people.go:41 createPerson"},
		{`checkout`, "name=checkout text=checkout"},
		{`end of sentence.`, "name=end of sentence. text=end of sentence."},
		{`a:b.c`, "name=a:b.c text=a:b.c"},
		{"two\nlines", "text=two\nlines"},
		{`[1]`, "text=[1]"},
		{`job ` + uuid, "text=job " + uuid},
		{`order 12345`, "text=order 12345"},
		{`order 1234`, "name=order 1234 text=order 1234"},
		{`shop.Order12345.load`, "text=shop.Order12345.load"},
		{`x,a='1',b='2'`, "name=x text=x comment.a=1 comment.b=2"},
		{`a='x,b='2'`, "name=a='x text=a='x comment.b=2"},
		{`a='100%',b='%zz%41'`, "comment.a=100% comment.b=%zzA"},
		{`a='1+1'`, "comment.a=1+1"},
		{`pkg.Load,ddps='shop'`, "name=pkg.Load function=pkg.Load app=shop"},
		{bsonlib.A{"views.py(31)", 3}, "name=views.py:31 file=views.py line=31 stack=views.py(31)"},
		{bsonlib.A{d{pair2("file", "a.rb")}, d{pair2("file", "b.rb"), pair2("line", 3)}}, "file=a.rb"},
		{bsonlib.A{"a", "b"}, "name=a text=a"},
		{strings.Repeat("x", 200), "text=" + strings.Repeat("x", 128)},
		{strings.Repeat("é", 100), "text=" + strings.Repeat("é", 64)},
		{strings.Repeat("long ", 1000), "text=" + strings.Repeat("long ", 26)[:128] + " truncated"},
		{strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9), "text=" + strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9) + " truncated"},
		{deep(9), "text=" + strings.Repeat(`{"a":`, 9) + "{}" + strings.Repeat("}", 9) + " truncated"},
	} {
		if got := tell(parse(t, c.comment, Options{})); got != c.want {
			t.Errorf("%v:\n got %q\nwant %q", c.comment, got, c.want)
		}
	}
}

func deep(n int) d {
	if n == 0 {
		return d{}
	}
	return d{pair2("a", deep(n-1))}
}

func TestAtMost64Keys(t *testing.T) {
	var doc, list = d{}, []string{}
	for i := range 65 {
		doc = append(doc, pair2(fmt.Sprint("k", i), i))
		list = append(list, fmt.Sprintf("k%d='%d'", i, i))
	}
	for _, c := range []any{doc, strings.Join(list, ",")} {
		got := parse(t, c, Options{})
		if !got.Truncated || len(got.Extra) != 0 || got.Text == "" || got.Name != "" {
			t.Errorf("65 keys: %s", tell(got))
		}
	}
	for _, c := range []any{doc[:64], strings.Join(list[:64], ",")} {
		if got := parse(t, c, Options{}); got.Truncated || len(got.Extra) != maxExtra {
			t.Errorf("64 keys: %s", tell(got))
		}
	}
}

func TestTextOption(t *testing.T) {
	long := strings.Repeat("word ", 60)
	for _, c := range []struct {
		mode    Text
		comment string
		want    string
	}{
		{Off, "checkout", ""},
		{Off, "pkg.Load", "name=pkg.Load function=pkg.Load"},
		{Full, long, "text=" + strings.TrimSpace(long)},
	} {
		if got := tell(parse(t, c.comment, Options{Text: c.mode})); got != c.want {
			t.Errorf("%v %q: got %q, want %q", c.mode, c.comment, got, c.want)
		}
	}
}

func TestNotUTF8(t *testing.T) {
	var s Scratch
	var out event.CallSite
	ParseString([]byte("caf\xe9 \xff"), Options{}, &s, &out)
	if out.Text != "caf\ufffd \ufffd" {
		t.Errorf("got %q", out.Text)
	}
}

func TestNoAllocation(t *testing.T) {
	texts := [][]byte{
		[]byte("app/models/cart.go:90"),
		[]byte(`{"callingFunction":"Cart.load","hostname":"web-1"}`),
		[]byte(`action='index',controller='orders',traceparent='` + parent + `'`),
	}
	var s Scratch
	var out event.CallSite
	run := func() {
		for _, b := range texts {
			ParseString(b, Options{}, &s, &out)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFileAndLine(b *testing.B) {
	var s Scratch
	var out event.CallSite
	text := []byte("app/models/cart.go:90")
	b.ReportAllocs()
	for b.Loop() {
		ParseString(text, Options{}, &s, &out)
	}
}
