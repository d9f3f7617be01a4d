#!/usr/bin/env bash
# Fetches the embedded ClickHouse engine into the user's cache folder, once. The work is `pitot engine`, so that a person with
# only the binary has the same command.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${GO:-go}" run ./cmd/pitot engine >/dev/null
