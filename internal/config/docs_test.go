package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// gatherKeys adds the keys of t, and of what it holds, with a place of each.
func gatherKeys(t reflect.Type, at string, keys map[string]string, seen map[reflect.Type]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		gatherKeys(t.Elem(), at, keys, seen)
	case reflect.Struct:
		if seen[t] || t.PkgPath() != reflect.TypeFor[Config]().PkgPath() {
			return
		}
		seen[t] = true
		for f := range t.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if key != "" && key != "-" {
				keys[key] = at + "." + key
			}
			gatherKeys(f.Type, at+"."+key, keys, seen)
		}
	}
}

// shown is what the page shows as code: spans in backquotes, and examples.
var shown = regexp.MustCompile("(?s)```yaml\n.*?```|`[^`\n]+`")

// word is a key in it.
var word = regexp.MustCompile(`[A-Za-z0-9_]+`)

// Every key is explained: it stands in the documentation as code.
func TestEveryKeyIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, code := range shown.FindAll(page, -1) {
		for _, w := range word.FindAll(code, -1) {
			told[string(w)] = true
		}
	}
	keys := map[string]string{}
	gatherKeys(reflect.TypeFor[Config](), "config", keys, map[reflect.Type]bool{})
	if len(keys) < 200 {
		t.Fatalf("only %d keys were found", len(keys))
	}
	for key, at := range keys {
		if !told[key] {
			t.Errorf("docs/configuration.md says nothing of %s", at)
		}
	}
}

// row is a row of a table whose first cell has keys.
var row = regexp.MustCompile("(?m)^\\| (`[a-z][a-z0-9_.\\[\\], `]*`) \\|")

// sections are the parts of the page of which every key in the tables must be one
// of these.
var sections = map[string]reflect.Type{
	"## overload":           reflect.TypeFor[Overload](),
	"## rate_limit_service": reflect.TypeFor[RateLimitService](),
	"### rate_limits":       reflect.TypeFor[RateLimit](),
}

// What the tables of limits explain is there, and all that is there is explained
// in its own table.
func TestTablesOfLimitsAreWhole(t *testing.T) {
	b, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for title, of := range sections {
		_, part, found := strings.Cut(string(b), "\n"+title+"\n")
		if !found {
			t.Fatalf("no section %q", title)
		}
		part, _, _ = strings.Cut(part, "\n## ")
		part, _, _ = strings.Cut(part, "\n### ")
		keys := map[string]string{}
		gatherKeys(of, title, keys, map[reflect.Type]bool{reflect.TypeFor[ClusterTLS](): true, reflect.TypeFor[FieldMatch](): true})
		words := map[string]bool{}
		for _, code := range shown.FindAllString(part, -1) {
			for _, w := range word.FindAllString(code, -1) {
				words[w] = true
			}
		}
		for key, at := range keys {
			if !words[key] {
				t.Errorf("%s is not explained there", at)
			}
		}
		for _, r := range row.FindAllStringSubmatch(part, -1) {
			for _, w := range word.FindAllString(r[1], -1) {
				if _, is := keys[w]; !is && !strings.Contains("disable_keepalive shrink_memory stop_accepting_connections stop_accepting_requests", w) {
					t.Errorf("%s explains %s, which is no key", title, w)
				}
			}
		}
	}
}
