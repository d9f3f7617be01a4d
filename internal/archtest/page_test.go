package archtest

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestThePageNamesEveryPackage holds that docs/ARCHITECTURE.md shows a newcomer
// all packages, and none that is gone.
func TestThePageNamesEveryPackage(t *testing.T) {
	page, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tree, _ := strings.Cut(string(page), "## The tree\n")
	tree, _, found := strings.Cut(tree, "\n## ")
	if !found {
		t.Fatal("docs/ARCHITECTURE.md has no section The tree")
	}
	named := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(tree, -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			named[strings.Trim(name, "`")] = true
		}
	}
	for _, p := range packages(t) {
		who := strings.TrimPrefix(p.ImportPath, module)
		if !named[who] && !strings.Contains(tree, "`"+who+"`") {
			t.Errorf("docs/ARCHITECTURE.md does not name %s: give it a line in its tree", who)
		}
		delete(named, who)
	}
	for who := range named {
		t.Errorf("docs/ARCHITECTURE.md names %s, which does not exist", who)
	}
}
