package testkit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Captures are the files of those patterns among the real captures, which are
// kept outside the repository: where PITOT_CAPTURES says, else in
// shared/captures of a folder above the test's. Where there are none the test is
// skipped.
func Captures(t testing.TB, patterns ...string) (all []string) {
	t.Helper()
	for _, dir := range captureFolders() {
		for _, p := range patterns {
			some, err := filepath.Glob(filepath.Join(dir, p))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, some...)
		}
		if len(all) > 0 {
			return all
		}
	}
	t.Skipf("no captures (%s) outside the repository; PITOT_CAPTURES names their folder", strings.Join(patterns, ", "))
	return nil
}

// captureFolders are the places to look, nearest first.
func captureFolders() (dirs []string) {
	if dir := os.Getenv("PITOT_CAPTURES"); dir != "" {
		return []string{dir}
	}
	const most = 8 // folders upwards
	for n, up := 0, ".."; n < most; n, up = n+1, up+"/.." {
		dirs = append(dirs, filepath.Join(up, "shared", "captures"))
	}
	return dirs
}
