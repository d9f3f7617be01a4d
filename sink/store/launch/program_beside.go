//go:build noengine

package launch

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pitot-io/pitot/sink/store/library"
)

// engineProgram is the pitot that can load the engine. It stands beside this
// one, which is static: a static program cannot load a library.
const engineProgram = "pitot-engine"

// Program is the program that serves the store as PROGRAM store ...: the one
// beside this. That it is not there is a *library.MissingError.
func Program() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("start the store: %w", err)
	}
	program := filepath.Join(filepath.Dir(self), engineProgram)
	if _, err := os.Stat(program); err != nil {
		return "", &library.MissingError{Tried: []string{program},
			Mend: "put pitot-engine there, which make build makes: this pitot is static and cannot load a library itself"}
	}
	return program, nil
}
