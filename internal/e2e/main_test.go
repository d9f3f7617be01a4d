package e2e

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(caseVariable); name != "" {
		runInterop(name, os.Getenv(addressVariable), os.Getenv(authorityVariable))
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if built.folder != "" {
			_ = os.RemoveAll(built.folder) // of the test's own making
		}
		os.Exit(code)
	}))
}
