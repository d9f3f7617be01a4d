package pathtemplate

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMatch(t *testing.T) {
	for _, tt := range []struct{ template, takes, refuses string }{
		{"/", "/", "/a //"},
		{"/cart", "/cart", "/cart/ /carts / /Cart"},
		{"/cart/{id}", "/cart/7 /cart/a-b", "/cart /cart/ /cart/7/ /cart/7/items"},
		{"/cart/{id}/items", "/cart/7/items", "/cart//items /cart/7/item /cart/7/items/1"},
		{"/cart/{id=*}/", "/cart/7/", "/cart/7"},
		{"/files/{name}.json", "/files/a.json /files/a.b.json", "/files/.json /files/a.xml /files/a/b.json"},
		{"/v{n}/x", "/v1/x /v10/x", "/v/x /1/x"},
		{"/*/x", "/a/x", "//x /x"},
		{"/a/{rest=**}", "/a/ /a/b /a/b/c /a//", "/a /b"},
		{"/**", "/ /a /a/b", "*"},
	} {
		tpl, err := Parse(tt.template)
		if err != nil {
			t.Errorf("%s: %v", tt.template, err)
			continue
		}
		for _, p := range strings.Fields(tt.takes) {
			if !tpl.Match([]byte(p)) {
				t.Errorf("%s does not take %s", tt.template, p)
			}
		}
		for _, p := range append(strings.Fields(tt.refuses), "") {
			if tpl.Match([]byte(p)) {
				t.Errorf("%s takes %q", tt.template, p)
			}
		}
	}
	var none Template
	if none.Match(nil) || none.Match([]byte("/")) {
		t.Error("no template takes a path")
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "begin with /",
		"cart":                         "begin with /",
		"/{a":                          "without its other half",
		"/a}":                          "without its other half",
		"/}{":                          "without its other half",
		"/{}":                          "name is letters",
		"/{a b}":                       "name is letters",
		"/{a}{b}":                      "two variables",
		"/{a}*":                        "two variables",
		"/a*b*":                        "two variables",
		"/{a}/{a}":                     "stands here twice",
		"/{a=b}":                       "as {id}, {id=*} or {rest=**}",
		"/{a=**}/b":                    "must be the last",
		"/**/b":                        "must be the last",
		"/x{a=**}":                     "stands alone",
		"/" + strings.Repeat("a/", 64): "more than 64",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	tpl, _ := Parse("/cart/{id}/{rest=**}")
	path := []byte("/cart/7/a/b/c")
	if n := testing.AllocsPerRun(100, func() { tpl.Match(path) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
