package store

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// authorize checks user and password, given by X-ClickHouse-User and -Key, basic authentication or URL, in that order.
// Without a configured password everybody may ask, as with ClickHouse's default user.
func (o *Options) authorize(r *http.Request, q url.Values) error {
	if o.Password == "" {
		return nil
	}
	user, password := r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	if user == "" && password == "" {
		user, password, _ = r.BasicAuth()
	}
	if user == "" && password == "" {
		user, password = q.Get("user"), q.Get("password")
	}
	user = or(user, "default")
	if !same(user, o.User) || !same(password, o.Password) {
		return wrongUser(user)
	}
	return nil
}

// same compares without telling by its time where the first difference is.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// fromBrowser tells a request that a web page of another origin made a browser send, by its Origin, or by a Host that was resolved to
// loopback for the purpose (DNS rebinding). A store without a password must not answer those.
func fromBrowser(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil {
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// checkListen refuses to serve other machines without a password.
func (o *Options) checkListen() error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w (want HOST:PORT, for example %s)", o.Listen, err, DefaultListen)
	}
	if o.Password != "" || host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen address %s is reachable from other machines and needs a password: set --password or PITOT_STORE_PASSWORD, or listen on 127.0.0.1", o.Listen)
}
