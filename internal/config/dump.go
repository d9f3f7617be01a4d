package config

import (
	"net/url"

	"go.yaml.in/yaml/v4"
)

const redacted = "REDACTED"

// YAML is the configuration as a file that Load would take, defaults spelled
// out, but for secrets.
func (c *Config) YAML() ([]byte, error) {
	shown := *c
	if shown.Admin.Token != "" {
		shown.Admin.Token = redacted
	}
	shown.Store.DSN = RedactDSN(shown.Store.DSN)
	return yaml.Dump(&shown)
}

// RedactDSN is dsn without its password.
func RedactDSN(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return redacted // whatever it is, it may hold one
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), redacted)
	}
	if q := u.Query(); q.Has("password") {
		q.Set("password", redacted)
		u.RawQuery = q.Encode()
	}
	return u.String()
}
