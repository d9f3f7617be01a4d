package semantics

import "bytes"

// Withheld stands for the value of a field that is secret.
const Withheld = "[redacted]"

// AppendValue adds a field's value as it may be shown: withheld where it is
// secret, without the secrets of its query where it is a URI.
func AppendValue(b, name, value []byte) []byte {
	if SecretField(name) {
		return append(b, Withheld...)
	}
	if !holdsURI(name) {
		return append(b, value...)
	}
	q := bytes.IndexByte(value, '?') + 1
	if q == 0 {
		return append(b, value...)
	}
	b, _ = AppendQuery(append(b, value[:q]...), value[q:])
	return b
}

func holdsURI(name []byte) bool {
	for _, n := range [...]string{
		":path", "referer", "location", "content-location", "x-envoy-original-path", "x-original-url", "x-original-uri", "x-forwarded-uri", "x-rewrite-url",
	} {
		if bytes.EqualFold(name, []byte(n)) {
			return true
		}
	}
	return false
}

// SecretField reports whether a field's name, in any case, says that its value
// is a secret: credentials, cookies, and what looks like a key or a token.
func SecretField(name []byte) bool {
	var buf [32]byte
	switch string(squeeze(&buf, name)) {
	case "authorization", "proxyauthorization", "cookie", "setcookie", "cookie2", "setcookie2",
		"xauth", "xauthorization", "xforwardedauthorization", "xsession", "xsessionid", "xpassword", "xcsrf", "xxsrf":
		return true
	}
	return secretKey(name)
}
