package config

import (
	"slices"
	"strings"
)

// The versions of HTTP that a listener may speak.
const (
	HTTP11 = "1.1"
	HTTP20 = "2"
)

// Speaks reports whether clients of an HTTP listener may use a version.
func (l *Listener) Speaks(version string) bool {
	return len(l.HTTPVersions) == 0 || slices.Contains(l.HTTPVersions, version)
}

func (l *Listener) checkVersions(key string, wrong report) {
	for _, v := range l.HTTPVersions {
		if v != HTTP11 && v != HTTP20 {
			wrong(key+".http_versions", "%q is not valid; must be of %s", v, strings.Join([]string{HTTP11, HTTP20}, ", "))
		}
	}
	if len(l.HTTPVersions) > 0 && l.Protocol != HTTP {
		wrong(key+".http_versions", "is for protocol http; remove it, or set protocol to http")
	}
	if l.GRPCWeb && l.Protocol != HTTP {
		wrong(key+".grpc_web", "is for protocol http; remove it, or set protocol to http")
	}
}
