package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryPackageLooksForLeaks holds that the tests of every package fail
// when a goroutine is left.
func TestEveryPackageLooksForLeaks(t *testing.T) {
	checked := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		dir := filepath.Dir(path)
		checked[dir] = checked[dir] || strings.Contains(string(text), "goleak.VerifyTestMain(m") || strings.Contains(string(text), "goleak.Find(")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(checked) < 20 {
		t.Fatalf("found tests in %d packages only", len(checked))
	}
	for dir, ok := range checked {
		if !ok {
			t.Errorf("%s: no goleak in its TestMain", dir)
		}
	}
}
