#!/usr/bin/env bash
# Runs the demo as a user without a terminal would, and checks what it leaves behind: nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
report=$(mktemp)
trap 'rm -f "$report"' EXIT

timeout 300 make demo </dev/null | cat | tee "$report"
for wanted in 'http/1' mongodb 'lost'; do
	grep -qi -- "$wanted" "$report" || { echo "demo: the report says nothing of '$wanted'"; exit 1; }
done

# Ctrl-C, as a terminal sends it: to the whole process group. The demo's processes have groups of their own, so what is
# left is looked for in the whole session.
make build >/dev/null
setsid bin/pitot demo --for 60s </dev/null >/dev/null 2>&1 &
group=$!
sleep 8
kill -INT -- "-$group"
for _ in $(seq 50); do
	left=$(pgrep -s "$group" || true)
	[ -n "$left" ] || break
	sleep 0.2
done
[ -z "$left" ] || { echo "demo: processes left behind: $left"; exit 1; }
echo "demo: report complete, nothing left behind"
