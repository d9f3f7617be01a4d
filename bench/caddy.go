package main

import "fmt"

// caddyMain is Caddy's configuration: versions spoken, TLS, how the origin is
// spoken to.
const caddyMain = `{
	admin off
	auto_https off
	storage file_system @DIR@
	servers {
		protocols %s
	}
}
%s {
	bind 127.0.0.1
	log {
		output file @DIR@/access.log
	}
	%s
	reverse_proxy %s@UPSTREAM@ {
		transport http {
			keepalive_idle_conns_per_host 1024
			compression off
		}
	}
}
`

// caddyPeer is Caddy as people run it: with an access log, to a file in memory.
func caddyPeer(protocols, site, secure, scheme string) peer {
	return peer{"caddy + log", []string{"caddy", "run", "--adapter", "caddyfile", "--config", "@DIR@/Caddyfile"},
		map[string]string{"Caddyfile": fmt.Sprintf(caddyMain, protocols, site, secure, scheme)}}
}
