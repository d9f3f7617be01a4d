//go:build noengine

package main

import (
	"fmt"
	"os"
	"syscall"

	"github.com/pitot-io/pitot/sink/store/launch"
)

// storeBeside becomes the program beside this one that can load the engine,
// with the same command line. It stays the same process for whoever started it.
func storeBeside() error {
	program, err := launch.Program()
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ()))
}
