#!/usr/bin/env bash
# Runs every fuzz target for the time given: scripts/fuzz.sh 30s
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-30s}
git ls-files '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]+' | sort | while IFS=: read -r file func; do
	name=${func#func }
	echo "== ./$(dirname "$file") $name"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./$(dirname "$file")"
done
