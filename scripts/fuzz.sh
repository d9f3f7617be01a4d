#!/usr/bin/env bash
# Runs every fuzz target for the time given: scripts/fuzz.sh 30s
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-30s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
git ls-files '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]+' | sort | while IFS=: read -r file func; do
	name=${func#func }
	echo "== ./$(dirname "$file") $name"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./$(dirname "$file")" >"$log" 2>&1 && result=0 || result=$?
	cat "$log"
	# Go's fuzzer sometimes takes the end of its own time for a failure: it then has no failing input to show.
	if [ $result != 0 ] && ! { grep -q '^ *context deadline exceeded$' "$log" && ! grep -qE 'Failing input|panic|_test.go:' "$log"; }; then
		exit $result
	fi
done
