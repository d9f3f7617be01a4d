//go:build !((linux || darwin) && (amd64 || arm64)) || noengine

package store

import (
	"context"
	"errors"
	"log/slog"
)

// errNoEngine is the answer of builds that leave the embedded engine out, for systems without a C library to load it with.
var errNoEngine = errors.New("this pitot was built without the embedded engine; use a ClickHouse server with --store http://HOST:8123")

// Store cannot exist in this build.
type Store struct{}

// Open says that this build has no engine.
func Open(Options, *slog.Logger) (*Store, error) { return nil, errNoEngine }

// Addr, Version, Unused and Close complete the type.
func (*Store) Addr() string                { return "" }
func (*Store) Version() string             { return "" }
func (*Store) Unused() <-chan struct{}     { return nil }
func (*Store) Close(context.Context) error { return nil }
