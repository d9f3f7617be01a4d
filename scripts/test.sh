#!/usr/bin/env bash
# Runs the tests that need Go, git, make and npm only, and says in one line what it left out.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v curl >/dev/null || missing+=("curl")
command -v tcpdump >/dev/null || missing+=("tcpdump")
command -v tmux >/dev/null || missing+=("tmux")
command -v tshark >/dev/null || missing+=("tshark")
[ "$(uname)$(id -u)" = Linux0 ] || missing+=("root on Linux (live capture)")
command -v ip >/dev/null && command -v nsenter >/dev/null || missing+=("ip and nsenter (network namespaces)")
for peer in nginx haproxy h2load chromium; do command -v $peer >/dev/null || missing+=("$peer"); done
[ -d ../shared/captures ] || missing+=("the shared captures")

# The race detector needs cgo and a C compiler; the product itself needs neither.
race=-race
if ! command -v "${CC:-gcc}" >/dev/null && ! command -v cc >/dev/null; then
	race=
	missing+=("a C compiler (the race detector)")
fi

export PITOT_TEST_ENGINE=1
# Two packages at a time: tests with real servers and load want the cores for themselves.
export CGO_ENABLED=$([ -n "$race" ] && echo 1 || echo 0)
go test $race -shuffle=on -p 2 -timeout 10m "$@" ./...
# The built program between clients and servers that people have; a module of its own.
(cd internal/e2e && go test -shuffle=on -timeout 10m "$@" ./...)
if [ ${#missing[@]} -gt 0 ]; then
	(IFS=,; echo "make test: left out what needs ${missing[*]}")
else
	echo "make test: nothing left out"
fi
