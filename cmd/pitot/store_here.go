//go:build !noengine

package main

// storeBeside has nothing to do in a pitot that can load the engine itself.
func storeBeside() error { return nil }
