package semantics

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
