package callsite

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// FuzzParse holds what every call site must keep: it is bounded, it is text,
// and the same comment gives the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"callingFunction":"Cart.load","hostname":"web-1"}`, `action='index',controller='orders'`,
		`/*route='%%2Fcart%%2F:id',traceparent='` + parent + `'*/`, `load_cart (app/cart.py:12)`, `name='O\'Neil'`,
		`{"a":{"b":[1,2,{"c":"\u0041\ud83d\ude00"}]}}`, `github.com/acme/shop.(*Cart).Load`, "views.py(31)", "\xff\xfe",
	} {
		f.Add(byte(bson.String), []byte(s))
	}
	f.Add(byte(bson.Document), []byte("\x10\x00\x00\x00\x02a\x00\x04\x00\x00\x00a.b\x00\x00"))
	f.Add(byte(bson.Array), []byte("\x14\x00\x00\x00\x020\x00\x08\x00\x00\x00a.go:12\x00\x00"))
	f.Fuzz(func(t *testing.T, typ byte, b []byte) {
		e := bson.Element{Type: bson.Type(typ), Value: b}
		if e.Type == bson.String {
			e.Value = append(append(make([]byte, 4), b...), 0)
		}
		var s Scratch
		var c event.CallSite
		Parse(e, len(e.Value), Options{}, &s, &c)
		first := tell(&c)
		holds(t, &c)
		before := string(b)
		Parse(e, len(e.Value), Options{}, &s, &c)
		if again := tell(&c); again != first {
			t.Fatalf("%q, then %q", first, again)
		}
		if string(b) != before {
			t.Fatal("the input was written to")
		}
	})
}

func holds(t *testing.T, c *event.CallSite) {
	t.Helper()
	for _, s := range []string{c.Name, c.Function, c.File, c.Application, c.Environment, c.Controller, c.Action, c.Route} {
		if len(s) > 2*maxField+1 {
			t.Fatalf("%d bytes in a field", len(s))
		}
	}
	if len(c.Text) > maxShort || len(c.Stack) > MaxInput+maxStack || c.Line < 0 || c.Line > 10_000_000 || len(c.Extra) > maxExtra {
		t.Fatalf("out of bounds: %s", tell(c))
	}
	if c.TraceID.IsZero() != c.SpanID.IsZero() {
		t.Fatalf("half a trace: %s", tell(c))
	}
	if c.Name == c.Text && c.Function == "" && c.Route == "" && c.Name != "" && (strings.ContainsAny(c.Name, "\n\r") || looksLikeData([]byte(c.Name))) {
		t.Fatalf("%q is no place", c.Name)
	}
	if !utf8.ValidString(c.Text) {
		t.Fatalf("text %q", c.Text)
	}
}

// A comment of commas and quotes must not take long: the work is bounded.
func TestHostileLists(t *testing.T) {
	for _, unit := range []string{"a='", ",a='1'", ",", "a='1',x", `\'`, "{", `{"a":`, "[", "%%", "a='1,"} {
		s := strings.Repeat(unit, MaxInput/len(unit))
		c := parse(t, s+"'", Options{})
		holds(t, c)
		c = parse(t, s, Options{})
		holds(t, c)
	}
}
