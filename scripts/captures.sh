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

# Memory: no capture may take a replay above 512 MiB.
python3 - "$captures" <<'PY'
import glob, os, subprocess, sys
most, worst = 0, ""
for file in sorted(glob.glob(sys.argv[1] + "/*.pcap") + glob.glob(sys.argv[1] + "/*.pcapng")):
    p = subprocess.Popen(["bin/pitot", "replay", file, "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    used = os.wait4(p.pid, 0)[2].ru_maxrss // 1024
    if used > most:
        most, worst = used, os.path.basename(file)
print(f"captures: at most {most} MiB resident, of {worst}")
if most > 512:
    sys.exit("captures: a replay takes more than 512 MiB")
PY
