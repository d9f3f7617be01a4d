#!/usr/bin/env bash
# What CI checks beside the tests: format, vet, the static build, a short run of every fuzz target.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "gofmt would change: $unformatted"; exit 1; }
go vet ./...
(cd internal/e2e && go vet ./...)
go mod verify >/dev/null
git diff --exit-code -- go.mod go.sum
make build
if command -v file >/dev/null; then file bin/pitot | grep -q 'statically linked' || { echo "bin/pitot is not static"; exit 1; }; fi
# The README promises macOS, too.
GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go build -tags noengine -o /dev/null ./cmd/pitot
# A replay of a million connections stays under 512 MiB.
PITOT_TEST_CONNECTIONS=1000000 CGO_ENABLED=0 go test -count=1 -timeout 10m -run FitsInMemory ./cmd/pitot
scripts/fuzz.sh "${FUZZTIME:-5s}"
