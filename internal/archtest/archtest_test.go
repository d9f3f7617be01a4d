// Package archtest holds the import law: who may know whom. A failing test
// here is a question about the design, not about the test.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pitot-io/pitot/"

// law names, for a package or (with /...) a tree, the packages of ours that
// its non-test code may import. The longest name that fits decides.
var law = []struct {
	who string
	may []string
}{
	{"internal/event", nil},
	{"internal/spelling", nil},
	{"internal/histogram", nil}, // of durations: what carries traffic and what shows it count alike
	{"internal/status", nil},    // the form in which a proxy tells of its clusters: who tells and who shows share it
	{"internal/filter", []string{"internal/event", "internal/spelling"}},
	{"internal/keylog", []string{"decode/tls"}},                                          // feeds a file into the decoder's keys: the decoder does no I/O
	{"internal/inspect", []string{"decode", "tap", "internal/event", "internal/filter"}}, // shows what decoders see in a capture
	{"internal/testca", nil}, // certificates for tests of everything that speaks TLS
	{"internal/testkit", []string{"decode", "internal/event"}},
	{"internal/protoset", nil}, // loads descriptors from files and servers, so that decode/grpc need not
	{"internal/grpctest", nil},
	{"internal/config", []string{"internal/spelling", "internal/operator", "internal/pathtemplate"}},
	{"internal/operator", []string{"internal/spelling"}}, // what config checks and the proxy compiles
	{"internal/pathtemplate", nil},                       // the same
	{"internal/minimongo/...", []string{"internal/minimongo/..."}},
	{"internal/demo/...", []string{"internal/demo/...", "internal/minimongo", "internal/config"}},
	{"internal/sqlshell/...", []string{"internal/sqlshell/...", "sink/store/..."}},
	{"internal/builtin", []string{"decode/...", "decode", "sink/...", "sink", "internal/event"}},
	{"decode", []string{"internal/event"}},
	{"decode/...", []string{"decode", "internal/event"}},
	{"decode/semantics", []string{"internal/event"}}, // what HTTP means in every version: http1 and http2 both need it
	{"decode/coding", nil}, // bytes in, bytes out: http1 and http2 both need it
	{"decode/http1", []string{"decode", "decode/coding", "decode/semantics", "internal/event"}},
	{"decode/http2/wire", nil}, // bytes in, values out and back: the decoder and the proxy both need it
	{"decode/http2", []string{"decode", "decode/http2/wire", "decode/coding", "decode/semantics", "internal/event"}},
	{"decode/bson", nil}, // a walk over bytes: mongo and callsite both need it, and it needs nobody
	{"decode/mongo", []string{"decode", "decode/bson", "decode/callsite", "internal/event"}},
	{"decode/grpc", []string{"decode", "decode/http2/wire", "decode/semantics", "internal/event"}},
	{"decode/callsite", []string{"decode", "decode/bson", "internal/event"}},
	{"tap/...", []string{"tap/...", "decode", "internal/event"}},
	{"proxy", []string{"proxy/...", "decode/...", "decode", "tap", "internal/event", "internal/config", "internal/filter", "internal/status"}},
	{"proxy/...", []string{"proxy/...", "decode/...", "decode", "tap", "internal/event", "internal/config", "internal/filter", "internal/status", "internal/operator", "internal/pathtemplate"}},
	{"proxy/upstream", []string{"internal/event", "internal/histogram", "proxy/socket", "proxy/episode"}},
	{"proxy/upstream/outlier", []string{"internal/event", "proxy/upstream"}},                               // decides by what the cluster is told anyway
	{"proxy/upstream/health", []string{"internal/event", "proxy/upstream", "proxy/socket", "decode/bson"}}, // speaks to hosts by itself; reads MongoDB's answers
	{"proxy/episode", nil}, // when something began and ended: whoever refuses tells so
	{"proxy/upstream/discovery", []string{"proxy/upstream", "internal/config", "internal/event"}}, // asks others who belongs to a cluster
	{"proxy/orca", []string{"proxy/upstream"}},                                                    // reads what hosts say of their load
	{"proxy/registry", nil}, // a server of its own: a proxy knows it by its HTTP alone
	{"proxy/registry/simulate", []string{"proxy/registry", "proxy/upstream", "proxy/upstream/discovery"}},
	{"proxy/socket", nil},
	{"proxy/secure", []string{"proxy/socket", "proxy/upstream", "internal/config", "internal/event"}},
	{"sink", []string{"internal/event"}},
	{"sink/...", []string{"sink", "internal/event"}},
	{"sink/sinktest", []string{"sink", "internal/event"}},
	{"sink/clickhouse/...", []string{"sink", "sink/clickhouse/...", "internal/event"}},
	{"sink/store/...", []string{"sink/store/..."}},
	{"tui/...", []string{"tui/...", "internal/event", "internal/filter", "internal/histogram", "internal/status"}},
	{"bench/...", []string{"..."}},
	{"cmd/...", []string{"..."}},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportLaw(t *testing.T) {
	for _, p := range packages(t) {
		who := strings.TrimPrefix(p.ImportPath, module)
		may, known := allowed(who)
		if !known {
			t.Errorf("%s: the law does not name this package; add a line to archtest with its reason", who)
		}
		for _, imp := range p.Imports {
			if whom, ours := strings.CutPrefix(imp, module); ours && !anyFits(may, whom) {
				t.Errorf("%s imports %s, which the law (DESIGN 3, archtest) forbids", who, whom)
			}
		}
	}
}

// TestNobodyImportsCmd holds the rule that cmd wires and is imported by nobody.
func TestNobodyImportsCmd(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, module+"cmd/") {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
		}
	}
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list told only %d packages", len(all))
	}
	return all
}

func allowed(who string) (may []string, known bool) {
	best := -1
	for _, l := range law {
		if fits(l.who, who) && len(l.who) > best {
			best, may, known = len(l.who), l.may, true
			if l.who == who {
				return may, true
			}
		}
	}
	return may, known || who == "internal/archtest"
}

func anyFits(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, name) })
}

func fits(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == tree || strings.HasPrefix(name, tree+"/")
	}
	return pattern == name
}
