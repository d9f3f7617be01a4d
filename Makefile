# pitot's two commands are `make demo` and `make test`; both do all the set-up.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO ?= go
BIN := bin/pitot
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
export CGO_ENABLED := 0

## help: list the targets
.PHONY: help
help:
	@awk -F': ' '/^## /{sub(/^## /,""); printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## demo: sample services under load through pitot: terminal UI, or a report when not on a terminal
.PHONY: demo
demo: build engine
	@exec $(BIN) demo

## build: the static binary bin/pitot, and bin/pitot-engine, which `pitot store` becomes to load the engine
# A static program cannot load a library, so the same source is built twice; pitot alone is all that proxies and replays need.
.PHONY: build
build:
	@mkdir -p bin
	$(GO) build -trimpath -tags noengine -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/pitot
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)-engine ./cmd/pitot

## engine: fetch the embedded ClickHouse engine into the user's cache, once
.PHONY: engine
engine:
	@scripts/engine.sh

## test: all tests that need Go, git, make and npm only
.PHONY: test
test: engine
	@scripts/test.sh

## check: what CI runs after the tests: format, vet, import law, documents, short fuzz
.PHONY: check
check:
	@scripts/check.sh

## fuzz: every fuzz target, FUZZTIME each (default 30s)
.PHONY: fuzz
fuzz:
	@scripts/fuzz.sh $${FUZZTIME:-30s}

## bench: pitot beside its peers; tables go to bench/RESULTS.md by hand
.PHONY: bench
bench: build
	@bench/run.sh

## testdata: record testdata/ anew from real clients and servers (root, tcpdump)
.PHONY: testdata
testdata: build
	@testdata/record.sh

## clean: remove what the build made
.PHONY: clean
clean:
	rm -rf bin
