package ratelimit

import (
	"bytes"
	"hash/maphash"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

// Whatever a client sends, the key is bounded, tells no secret, has a separator
// between entries and nowhere else, and can be shown; and the same request has
// the same key.
func FuzzKey(f *testing.F) {
	f.Add("acme", "sesame", "user=a%20b", "/shop.Cart/Get")
	f.Add("\x1f", "", "user=%1f%00%ff", "/")
	f.Add(strings.Repeat("x", 300), "secret-value", "user", "//")
	actions, err := newActions([]config.LimitAction{
		{RequestHeaders: &config.LimitField{Header: "x-tenant", SkipIfAbsent: true}},
		{RequestHeaders: &config.LimitField{Header: "authorization", SkipIfAbsent: true}},
		{QueryParameters: &config.LimitQuery{Parameter: "user", SkipIfAbsent: true}},
		{RequestHeaders: &config.LimitField{Header: ":path", SkipIfAbsent: true}},
	})
	if err != nil {
		f.Fatal(err)
	}
	seed := maphash.MakeSeed()
	f.Fuzz(func(t *testing.T, tenant, secret, query, path string) {
		h := &http1.Head{Query: []byte(query), HasQuery: true, Path: []byte(path)}
		h.Fields = []http1.Field{{Name: []byte("x-tenant"), Value: []byte(tenant)}, {Name: []byte("authorization"), Value: []byte(secret)}}
		q := &request{Head: h, Exchange: new(event.Exchange), Route: new(route.Route)}
		key, ok := appendKey(nil, actions, q, seed)
		again, _ := appendKey(nil, actions, q, seed)
		if !ok || !bytes.Equal(key, again) {
			t.Fatalf("%q and %q", key, again)
		}
		if len(key) > maxKey || !utf8.ValidString(shown(string(key))) {
			t.Errorf("%d bytes: %q", len(key), key)
		}
		if n := bytes.Count(key, []byte{separator}); n != len(actions)-1 && len(key) < maxKey {
			t.Errorf("%d separators in %q", n, key)
		}
		rest := tenant + query + path + "authorization=~0123456789abcdef"
		if len(secret) > 2 && !strings.Contains(rest, secret) && strings.Contains(string(key), secret) && !strings.Contains("x-tenant=authorization=user=:path=", secret) && strings.Trim(secret, "0123456789abcdef~?") != "" {
			t.Errorf("%q tells %q", key, secret)
		}
	})
}
