//go:build !noengine

package launch

import (
	"fmt"
	"os"
)

// Program is the program that serves the store as PROGRAM store ...: this one.
func Program() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("start the store: %w", err)
	}
	return self, nil
}
