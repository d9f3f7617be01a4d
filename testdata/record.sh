#!/usr/bin/env bash
# Records the captures of this folder anew: real clients against real servers on loopback, seen by tcpdump, and
# beside each capture the spans that pitot tells (NAME.jsonl), to be reviewed like code before they are committed.
# Needs root, tcpdump, curl, node and npm. Usage: testdata/record.sh [NAME...]
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in tcpdump curl node npm; do
	command -v $tool >/dev/null || { echo "record: needs $tool (apt-get install tcpdump curl; nodejs.org)"; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "record: tcpdump on loopback needs root"; exit 1; }
make build >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/record" ./testdata/record

names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <("$work/record" -list)
for name in "${names[@]}"; do
	"$work/record" -out testdata "$name"
	bin/pitot replay "testdata/$name.pcap" --json >"testdata/$name.jsonl"
	if [ -f "testdata/$name.keys" ]; then # under TLS: what is told without its key log stands beside what is told with it
		bin/pitot replay "testdata/$name.pcap" --keylog "testdata/$name.keys" --json >"testdata/$name.keys.jsonl"
	fi
	echo "$name: $(wc -c <"testdata/$name.pcap") bytes, $(wc -l <"testdata/$name.jsonl") lines"
done
