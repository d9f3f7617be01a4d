#!/usr/bin/env bash
# Measures agreement with the independent oracles of ../shared/captures, where that folder is.
set -euo pipefail
cd "$(dirname "$0")/.."
captures=../shared/captures
[ -d "$captures" ] || { echo "captures: ../shared/captures is not here; left out"; exit 0; }
command -v python3 >/dev/null || { echo "captures: no python3; left out"; exit 0; }
make build >/dev/null
table=$(mktemp)
trap 'rm -f "$table"' EXIT
python3 "$captures/agree.py" --pitot "$PWD/bin/pitot" --json | tee "$table"
python3 - "$(tail -1 "$table")" <<'PY'
import json, sys
t = json.loads(sys.argv[1])
for family in ("http1", "http2", "mongo"):
    share = t[family]["agree"] / t[family]["of"]
    print(f"captures: {family} {100 * share:.2f} % agree")
    if share < 0.995:
        sys.exit(f"captures: {family} agrees in less than 99.5 %")
PY
