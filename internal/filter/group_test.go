package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

func TestAlternativesAndGroups(t *testing.T) {
	for _, c := range []struct {
		expr       string
		http, mong bool
		want       string // canonical
	}{
		{"protocol:mongodb or status:error", true, true, ""},
		{"protocol:mongodb or status:ok", false, true, ""},
		{"service:shop status:ok or collection:orders duration<1s", false, true, ""},
		{"service:shop (status:error or collection:orders)", true, true, ""},
		{"-(status:error or collection:orders)", false, false, ""},
		{"-(status:error collection:orders)", true, true, ""},
		{"not (status:error) and service:shop", false, true, "-(status:error) service:shop"},
		{"NOT status:error", false, true, "-status:error"},
		{"a OR (((shop)))", true, true, "a or (((shop)))"},
		{"(path~^/(cart|x)/[0-9]+)", true, false, `(path~"^/(cart|x)/[0-9]+")`},
		{"path~^/(cart|x)/[0-9]+", true, false, `path~"^/(cart|x)/[0-9]+"`},
		{`(path:"/cart/7")`, true, false, "(path:/cart/7)"},
		{`"or"`, false, true, `"or"`}, // as in "find orders"
		{`or_`, false, false, ""},
		{`(cart,"(")`, true, true, ""},
		{`orders or "and"`, false, true, ""},
	} {
		f, err := Parse(c.expr)
		if err != nil {
			t.Errorf("Parse(%s): %v", c.expr, err)
			continue
		}
		if got := [2]bool{f.Match(cart()), f.Match(find())}; got != [2]bool{c.http, c.mong} {
			t.Errorf("%s: %v", c.expr, got)
		}
		want := c.want
		if want == "" {
			want = c.expr
		}
		if f.String() != want {
			t.Errorf("%s became %s, want %s", c.expr, f, want)
		}
	}
}

func TestGroupErrorsPointAtThePlace(t *testing.T) {
	for _, c := range []struct {
		expr   string
		column int
		say    string
	}{
		{"or a", 1, `"or" needs a term`},
		{"a or", 5, `"or" needs a term`},
		{"a or or b", 6, `"or" needs a term`},
		{"(a or)", 6, `"or" needs a term`},
		{"and a", 1, `"and" needs a term`},
		{"a and", 3, `"and" needs a term`},
		{"a and or b", 3, `"and" needs a term`},
		{"(a", 1, "is not closed"},
		{"a (b (c)", 3, "is not closed"},
		{"a )", 3, "no parenthesis is open"},
		{"()", 1, "nothing in the parentheses"},
		{"(a)b", 4, "space is missing after the closing parenthesis"},
		{"not", 4, "a term is missing"},
		{"(-)", 3, "a term is missing"},
		{strings.Repeat("(", 40) + "a" + strings.Repeat(")", 40), 33, "nested"},
	} {
		_, err := Parse(c.expr)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%s) = %v, want an *Error", c.expr, err)
			continue
		}
		if e.column()+1 != c.column || !strings.Contains(e.Error(), c.say) {
			t.Errorf("Parse(%s): column %d, %q; want column %d and %q", c.expr, e.column()+1, e, c.column, c.say)
		}
	}
}

func TestFieldsOfTheWeb(t *testing.T) {
	x := &event.Exchange{
		HTTP:      &event.HTTP{Query: "page=2", Scheme: "https", Version: "2", UserAgent: "curl/8", RequestID: "r-1", StatusCode: 101, RequestBody: 10, ResponseBody: 5000},
		HTTP2:     &event.H2{StreamID: 5, Reset: "CANCEL"},
		WebSocket: &event.WS{ClientMessages: 2, ServerMessages: 3, CloseCode: 1001},
	}
	call := &event.Exchange{GRPC: &event.RPC{RequestMessages: 1, ResponseMessages: 9}}
	command := &event.Exchange{Mongo: &event.Mongo{Returned: 7, Application: "shop", Driver: "mongo-go 2.9"}}
	for expr, on := range map[string]*event.Exchange{
		"query~page": x, "scheme:https": x, "version:2": x, "user_agent~curl agent:curl/8": x, "request_id:r-1": x,
		"request_body<1k response_body>4KiB": x, "stream_id:5": x, "reset:cancel": x, "messages:5": x, "close_code:1001": x,
		"messages>=10": call, "rows>5": command, "app:shop": command, "driver~^mongo-go": command,
	} {
		f, err := Parse(expr)
		if err != nil {
			t.Errorf("Parse(%s): %v", expr, err)
			continue
		}
		for _, other := range []*event.Exchange{x, call, command, {}} {
			if f.Match(other) != (other == on) {
				t.Errorf("%s on %+v: %t", expr, other, other != on)
			}
		}
	}
}

func TestPoint(t *testing.T) {
	for expr, want := range map[string]string{
		"service:shop calsite:x": "service:shop calsite:x\n             ^",
		"é\tzz:x":                "é zz:x\n  ^",
		strings.Repeat("a ", 40) + "zz:x" + " bcde": "..." + strings.Repeat("a ", 18) + "zz:x bcde\n" + strings.Repeat(" ", 39) + "^",
		"zz:" + strings.Repeat("x", 100):            "zz:" + strings.Repeat("x", 33) + "...\n^",
	} {
		_, err := Parse(expr)
		var e *Error
		if !errors.As(err, &e) || e.Point() != want {
			t.Errorf("%s:\n%s\nwant\n%s", expr, e.Point(), want)
		}
	}
}
