package config

import (
	"fmt"
	"strings"
)

// checkUpgrades checks the names of protocols that a connection may change to
// (RFC 9110, 7.8: a token, and a version after a slash).
func checkUpgrades(names []string, key string, wrong report) {
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case strings.EqualFold(name, "h2c"):
			wrong(at, "h2c is not passed on: what follows would be HTTP/2 that nobody looks at")
		case strings.EqualFold(name, "connect"):
			wrong(at, "CONNECT is a method; remove it, and set connect: true")
		case name == "" || strings.ContainsAny(name, " \t,;\"()<>@[]{}") || strings.Trim(name, "/") != name:
			wrong(at, "%q is not valid; must be the name of a protocol, as websocket", name)
		}
	}
}
