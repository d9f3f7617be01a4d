package semantics

// AppendQuery adds query q to b with the values of secret keys as REDACTED,
// and reports whether there were any. A key is compared in lower case, without
// "-", "_" and ".", percent-decoded; the list is in secretKey. "code", which
// OAuth 2.0 uses for a short-lived grant and everybody else for harmless
// things, is not among them.
func AppendQuery(b, q []byte) (out []byte, hidden bool) {
	for i := 0; i < len(q); {
		end, eq := i, -1
		for end < len(q) && q[end] != '&' && q[end] != ';' {
			if q[end] == '=' && eq < 0 {
				eq = end
			}
			end++
		}
		if eq >= 0 && eq+1 < end && secretKey(q[i:eq]) {
			b = append(append(b, q[i:eq+1]...), "REDACTED"...)
			hidden = true
		} else {
			b = append(b, q[i:end]...)
		}
		if end < len(q) {
			b = append(b, q[end])
		}
		i = end + 1
	}
	return b, hidden
}

// secretKey reports whether a key's name says that its value is a secret.
func secretKey(key []byte) bool {
	var buf [32]byte
	k := squeeze(&buf, key)
	switch string(k) {
	case "key", "sig", "auth", "pass", "pwd", "jwt", "sid", "otp", "pin", "authorization", "session", "sessionid", "awsaccesskeyid":
		return true
	}
	for _, s := range [...]string{"token", "secret", "password", "passwd", "passphrase", "apikey", "accesskey",
		"secretkey", "privatekey", "subscriptionkey", "signature", "credential", "credentials"} {
		if len(k) >= len(s) && string(k[len(k)-len(s):]) == s {
			return true
		}
	}
	return false
}

// squeeze is the end of a key's name without case, separators and escapes.
func squeeze(buf *[32]byte, key []byte) []byte {
	n := 0
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c == '%' && i+2 < len(key) {
			hi, ok1 := hexDigit(key[i+1])
			lo, ok2 := hexDigit(key[i+2])
			if ok1 && ok2 {
				c, i = hi<<4|lo, i+2
			}
		}
		if c = lower(c); c == '-' || c == '_' || c == '.' {
			continue
		}
		if n == len(buf) {
			copy(buf[:], buf[1:])
			n--
		}
		buf[n] = c
		n++
	}
	return buf[:n]
}
