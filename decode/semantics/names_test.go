package semantics

import (
	"strings"
	"testing"
)

func TestTemplateKeepsNamesAndReplacesValues(t *testing.T) {
	for path, want := range map[string]string{
		"/":                    "/",
		"/cart":                "/cart",
		"/cart/7":              "/cart/{id}",
		"/cart/7/":             "/cart/{id}/",
		"/v1/users/42/orders":  "/v1/users/{id}/orders",
		"/api/v2.1/items":      "/api/v2.1/items",
		"/orders/order-12345":  "/orders/{id}",
		"/img/logo.png":        "/img/logo.png",
		"/orders/123.json":     "/orders/{id}.json",
		"/a/-5/1.5/1,2,3/10:2": "/a/{id}/{id}/{id}/{id}",
		"/u/123e4567-e89b-12d3-a456-426614174000":         "/u/{id}",
		"/u/{123E4567-E89B-12D3-A456-426614174000}":       "/u/{id}",
		"/o/507f1f77bcf86cd799439011":                     "/o/{id}",
		"/c/deadbeef":                                     "/c/deadbeef", // a word, as far as one can tell
		"/c/deadbee1":                                     "/c/{id}",
		"/day/2026-01-02":                                 "/day/{date}",
		"/day/2026-01-02T03:04:05Z":                       "/day/{date}",
		"/who/ann@example.org/x":                          "/who/{email}/x",
		"/who/ann%40example.org":                          "/who/{email}",
		"/p/a%20b":                                        "/p/{id}",
		"/p/caf\xc3\xa9":                                  "/p/{id}",
		"/t/dGhpcyBpcyBhIHRlc3Q5":                         "/t/{id}",
		"/t/Zm9vYmFy":                                     "/t/Zm9vYmFy",
		"/t/Zm9vYmFyMQ":                                   "/t/{id}",
		"/s/" + strings.Repeat("word-", 9):                "/s/{id}",
		"/report-2024/x":                                  "/report-2024/x",
		"/2024/05/index":                                  "/{id}/{id}/index",
		"/http2/sha256/oauth2":                            "/http2/sha256/oauth2",
		"//double//slash":                                 "//double//slash",
		"/a/b/c/d/e/f/g/h/i/j/k/l/m/n":                    "/a/b/c/d/e/f/g/h/i/j/k/l/*",
		"/" + strings.Repeat("abcdefghijklmnopqrst/", 12): "/" + strings.Repeat("abcdefghijklmnopqrst/", 7) + "*",
		"no-slash":                                        "{other}",
		"":                                                "{other}",
	} {
		if got := string(AppendTemplate(nil, path)); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}

func TestQueryHidesSecrets(t *testing.T) {
	for q, want := range map[string]string{
		"":                                 "",
		"a=1&b=2":                          "a=1&b=2",
		"token=abc":                        "token=REDACTED",
		"a=1&Access_Token=x=y&b":           "a=1&Access_Token=REDACTED&b",
		"api-key=1;apikey=2&API_KEY=3&x=4": "api-key=REDACTED;apikey=REDACTED&API_KEY=REDACTED&x=4",
		"%74oken=abc&p%61ssword=s":         "%74oken=REDACTED&p%61ssword=REDACTED",
		"X-Amz-Signature=1&X-Amz-Credential=2&X-Amz-Date=3":            "X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Date=3",
		"a-very-long-name-of-a-parameter-that-ends-in-client_secret=1": "a-very-long-name-of-a-parameter-that-ends-in-client_secret=REDACTED",
		"token=&token":                 "token=&token",
		"code=DE&keyboard=1&monkey=2":  "code=DE&keyboard=1&monkey=2",
		"key=1&sig=2&x.sid=3&passwd=4": "key=REDACTED&sig=REDACTED&x.sid=3&passwd=REDACTED",
		"&&=&=1&":                      "&&=&=1&",
	} {
		got, hidden := AppendQuery(nil, []byte(q))
		if string(got) != want || hidden != (q != want) {
			t.Errorf("%q: got %q, %v, want %q", q, got, hidden, want)
		}
	}
}

func TestSecretFields(t *testing.T) {
	for name, want := range map[string]bool{
		"authorization": true, "Proxy-Authorization": true, "Cookie": true, "set-cookie": true, "x-api-key": true, "X-Auth-Token": true,
		"api_key": true, "x-amz-security-token": true, "x-client-secret": true, "x-csrf-token": true,
		"accept": false, "content-type": false, "etag": false, "x-request-id": false, "cache-control": false, ":path": false,
	} {
		if got := SecretField([]byte(name)); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestValuesAreShownWithoutSecrets(t *testing.T) {
	for _, c := range [][3]string{
		{"Cookie", "a=b", Withheld}, {"x-api-key", "1", Withheld}, {"Accept", "?token=1", "?token=1"},
		{":path", "/a?token=1&b=2", "/a?token=REDACTED&b=2"}, {"Referer", "http://h/x?sig=1", "http://h/x?sig=REDACTED"}, {"location", "/x", "/x"},
	} {
		if got := string(AppendValue(nil, []byte(c[0]), []byte(c[1]))); got != c[2] {
			t.Errorf("%s: %s: got %q, want %q", c[0], c[1], got, c[2])
		}
	}
}
