package keylog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode/tls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func line(n int) string {
	return fmt.Sprintf("CLIENT_RANDOM %064x %096x\n", n, n)
}

// follow opens a key log that holds text; more adds to it.
func follow(t *testing.T, text string) (keys *tls.Keys, more func(string), warned *[]string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys.log")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	warned = new([]string)
	keys = tls.NewKeys(0)
	f, err := Open(name, keys, func(err error) { *warned = append(*warned, strings.TrimPrefix(err.Error(), "key log "+name+": ")) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		f.More() // does nothing any more
	})
	return keys, func(s string) {
		w, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.WriteString(s); err != nil {
			t.Fatal(err)
		}
		f.More()
	}, warned
}

func TestFollows(t *testing.T) {
	keys, more, warned := follow(t, line(1)+line(2))
	if keys.Len() != 2 || keys.Miss == nil {
		t.Fatalf("%d keys at the start", keys.Len())
	}
	more(line(3)[:100])
	if keys.Len() != 2 {
		t.Errorf("%d keys with half a line", keys.Len())
	}
	more(line(3)[100:] + "nonsense!\n" + line(4))
	if keys.Len() != 4 {
		t.Errorf("%d keys, want 4", keys.Len())
	}
	if len(*warned) != 1 || !strings.HasPrefix((*warned)[0], "line 4: ") {
		t.Errorf("warned %q", *warned)
	}
}

func TestLastLineWithoutEnd(t *testing.T) {
	keys, more, warned := follow(t, line(1)+strings.TrimSpace(line(2)))
	if keys.Len() != 2 {
		t.Errorf("%d keys, want 2", keys.Len())
	}
	more("\n" + line(3))
	if keys.Len() != 3 || len(*warned) > 0 {
		t.Errorf("%d keys, want 3; warned %q", keys.Len(), *warned)
	}
}

func TestEndlessLine(t *testing.T) {
	keys, more, warned := follow(t, strings.Repeat("A", 3*maxPending))
	more(strings.Repeat("B", maxPending) + "\n" + line(1) + "?\n")
	if keys.Len() != 1 || len(*warned) != 2 || !strings.HasPrefix((*warned)[0], "line 1: longer") || !strings.HasPrefix((*warned)[1], "line 3:") {
		t.Errorf("%d keys, warned %q", keys.Len(), *warned)
	}
}

func TestCannotOpen(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{dir, filepath.Join(dir, "nowhere")} {
		if _, err := Open(name, tls.NewKeys(0), nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
