#!/usr/bin/env bash
# Checks that the documents' pictures are what the program shows: the screens that tui's tests hold, and a line of a replay.
set -euo pipefail
cd "$(dirname "$0")/.."
contains() { # file with the picture, document
	local document=${2:-README.md}
	awk -v picture="$1" 'BEGIN{while((getline l<picture)>0) want=want l "\n"} {have=have $0 "\n"} END{exit !index(have,want)}' "$document" ||
		{ echo "docs: $document does not show $1 as it is"; exit 1; }
}
contains docs/screens/services.txt
contains docs/screens/mongo.txt
contains docs/screens/clusters.txt docs/operations.md
line=$(mktemp)
trap 'rm -f "$line"' EXIT
sed -n 6p testdata/mongo-go.jsonl >"$line"
contains "$line"
echo "docs: the pictures are true"
