//go:build !linux && !noengine

package store

// keepSignals runs f. Here chdb_set_signal_handlers_enabled(0) alone keeps the engine off the process's signals.
func keepSignals(f func()) { f() }
