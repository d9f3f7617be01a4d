package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests; called as pitot it is pitot, for commands that start processes of themselves.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		main()
	}
	goleak.VerifyTestMain(m)
}

const testdata = "../../testdata"

// pitot runs one command line in this process.
func pitot(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), code
}

// recorded are the captures of testdata.
func recorded(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(testdata + "/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures in %s: %v", testdata, err)
	}
	return files
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string // on standard error, or on standard output when code is 0
	}{
		{"version", exitDone, "pitot "},
		{"", exitDone, "Available Commands"},
		{"nonsense", exitUsage, `unknown command "nonsense"; 'pitot --help' lists them`},
		{"inspct x", exitUsage, `unknown command "inspct" (did you mean inspect?); 'pitot --help' lists them`},
		{"replay", exitUsage, "name a capture file, or - for standard input; see 'pitot replay --help'"},
		{"replay --fliter x y", exitUsage, "unknown flag: --fliter (did you mean --filter?); see 'pitot replay --help'"},
		{"inspect --stream x y", exitUsage, `invalid argument "x" for "--stream" flag, which wants another kind of value; see 'pitot inspect --help'`},
		{"replay", exitUsage, "replay"},
		{"replay --nonsense x", exitUsage, "--nonsense"},
		{"replay nowhere.pcap", exitFailed, "nowhere.pcap"},
		{"replay x.pcap --filter status>>1", exitUsage, "--filter"},
	} {
		stdout, stderr, code := pitot(t, strings.Fields(c.args)...)
		said := stderr
		if c.code == exitDone {
			said = stdout
		}
		if code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("pitot %s: exit %d, says %q; want exit %d, %q", c.args, code, said, c.code, c.says)
		}
		if c.code != exitDone && strings.Count(stderr, "\n") > 4 {
			t.Errorf("pitot %s: an error of many lines:\n%s", c.args, stderr)
		}
	}
}
