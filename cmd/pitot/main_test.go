package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
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
		{"--version", exitDone, "pitot "},
		{"help replay", exitDone, "pitot replay FILE..."},
		{"help nonsense", exitUsage, `unknown command "nonsense"; 'pitot --help' lists them`},
		{"check pitot.yaml", exitUsage, "name the configuration file with -c: pitot check -c pitot.yaml"},
		{"sql", exitUsage, "no SQL to run; for example"},
		{"registry list --url http://127.0.0.1:1", exitFailed, "no registry answers at http://127.0.0.1:1 (connection refused); start one with 'pitot registry', or say with --url where it is"},
		{"registry register", exitUsage, "name a service and its host, as shop 10.0.0.7:8080"},
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

// Every page of help fits a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	var pages func(c *cobra.Command, path ...string)
	pages = func(c *cobra.Command, path ...string) {
		stdout, _, code := pitot(t, append(path, "--help")...)
		if code != exitDone {
			t.Errorf("pitot %s --help: exit %d", strings.Join(path, " "), code)
		}
		for line := range strings.Lines(stdout) {
			if n := len(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("pitot %s --help: %d columns: %s", strings.Join(path, " "), n, line)
			}
		}
		for _, sub := range c.Commands() {
			pages(sub, append(slices.Clone(path), sub.Name())...)
		}
	}
	pages(rootCommand())
}
