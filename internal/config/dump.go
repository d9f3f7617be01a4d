package config

import (
	"net/url"
	"slices"

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
	shown.Listeners = slices.Clone(c.Listeners)
	for i := range shown.Listeners {
		shown.Listeners[i].hide()
	}
	shown.Clusters = slices.Clone(c.Clusters)
	for i := range shown.Clusters {
		shown.Clusters[i].hide()
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

// hide takes secrets out of a copy of a listener.
func (l *Listener) hide() {
	l.AccessLog = slices.Clone(l.AccessLog)
	for i := range l.AccessLog {
		h := &l.AccessLog[i].OTLP.Headers
		*h = slices.Clone(*h)
		for j := range *h {
			(*h)[j].Value = redacted
		}
	}
}

// hide takes secrets out of a copy of a cluster.
func (c *Cluster) hide() {
	if c.Discovery != nil && c.Discovery.Token != "" {
		d := *c.Discovery
		d.Token = redacted
		c.Discovery = &d
	}
}
