package sqlshell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chzyer/readline"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers every statement by its own text; "bad" fails.
type fake struct{ asked []string }

func (f *fake) Query(_ context.Context, sql, format string, out io.Writer) error {
	f.asked = append(f.asked, sql)
	if strings.Contains(sql, "bad") {
		return errors.New("bad statement")
	}
	_, err := fmt.Fprintf(out, "%s as %s\n", sql, format)
	return err
}

func (f *fake) Close() error { return nil }

// typed gives lines; "^C" is Ctrl-C.
type typed struct {
	lines   []string
	prompts []string
	now     string
}

func (t *typed) SetPrompt(p string) { t.now = p }

func (t *typed) Readline() (string, error) {
	t.prompts = append(t.prompts, t.now)
	if len(t.lines) == 0 {
		return "", io.EOF
	}
	line := t.lines[0]
	t.lines = t.lines[1:]
	if line == "^C" {
		return "", readline.ErrInterrupt
	}
	return line, nil
}

func TestLoop(t *testing.T) {
	var out, errs bytes.Buffer
	f := &fake{}
	s := &Shell{Conn: f, Format: "TSV", Out: &out, Err: &errs}
	in := &typed{lines: []string{"SELECT 1;", "SELECT", "2; SELECT 'a;", "b';", "oops", "^C", "SELECT bad;", "SELECT 3;", `\d t'x`, `\z`, `\h`, `\q`, "SELECT never;"}}
	var saved []string
	if err := s.Loop(t.Context(), in, func(l string) { saved = append(saved, l) }); err != nil {
		t.Fatal(err)
	}
	want := []string{"SELECT 1", "SELECT\n2", "SELECT 'a;\nb'", "SELECT bad", "SELECT 3"}
	if got := f.asked[:5]; !slices.Equal(got, want) {
		t.Errorf("ran %q", f.asked)
	}
	if !strings.Contains(f.asked[5], `table = 't\'x'`) {
		t.Errorf(`\d ran %q`, f.asked[5])
	}
	if got := errs.String(); !strings.Contains(got, "bad statement\n") || !strings.Contains(got, `unknown command \z`) {
		t.Errorf("errors %q", got)
	}
	if !slices.Equal(in.prompts[:4], []string{prompt, prompt, more, more}) || in.prompts[6] != prompt {
		t.Errorf("prompts %q", in.prompts)
	}
	if saved[1] != "SELECT 2;" || !strings.Contains(out.String(), `\d TABLE`) {
		t.Errorf("saved %q, out %q", saved, out.String())
	}
}

func TestRunStopsAtTheFirstFailure(t *testing.T) {
	var out bytes.Buffer
	f := &fake{}
	s := &Shell{Conn: f, Format: "CSV", Out: &out}
	if err := s.Run(t.Context(), "SELECT 1; SELECT bad; SELECT 2"); err == nil || len(f.asked) != 2 {
		t.Fatalf("%v after %q", err, f.asked)
	}
	if err := s.Run(t.Context(), "SELECT 5 -- last"); err != nil || !strings.HasSuffix(out.String(), "SELECT 5 -- last as CSV\n") {
		t.Fatalf("%v %q", err, out.String())
	}
	if err := s.Run(t.Context(), " -- nothing\n"); err == nil || !strings.Contains(err.Error(), "no SQL to run") {
		t.Fatalf("got %v", err)
	}
}

// server answers like a ClickHouse: status and body per query.
func server(t *testing.T, answer func(sql string) (int, string)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sql, _ := io.ReadAll(r.Body)
		code, body := answer(string(sql) + "|" + r.URL.Query().Get("default_format"))
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestHTTPErrors(t *testing.T) {
	url := server(t, func(sql string) (int, string) {
		switch {
		case strings.HasPrefix(sql, "early"):
			return 404, "Code: 60. DB::Exception: no table. (UNKNOWN_TABLE) (version 26.7.2.1)\n"
		case strings.HasPrefix(sql, "late"):
			return 200, "1\n2\n\r\n__exception__\r\nABCDEFGH\r\nCode: 395. DB::Exception: boom. (X) (version 1)\n50 ABCDEFGH\r\n__exception__\r\n"
		}
		return 200, sql + "\n"
	})
	c, err := Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for sql, want := range map[string]string{"early": "Code: 60. DB::Exception: no table. (UNKNOWN_TABLE)", "late": "Code: 395. DB::Exception: boom. (X)"} {
		if err := c.Query(t.Context(), sql, "CSV", io.Discard); err == nil || err.Error() != want {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var out bytes.Buffer
	if err := c.Query(t.Context(), "fine", "CSV", &out); err != nil || out.String() != "fine|CSV\n" {
		t.Errorf("%v %q", err, out.String())
	}
}

func TestDialTellsWhatIsWrong(t *testing.T) {
	for dsn, want := range map[string]string{
		"nonsense":                          "is not one: want embedded",
		"mysql://u:secret@127.0.0.1":        "unknown scheme mysql",
		"http://127.0.0.1:1":                "is the store running?",
		"clickhouse://u:secret@127.0.0.1:1": "cannot be used",
	} {
		_, err := Dial(t.Context(), dsn)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}
