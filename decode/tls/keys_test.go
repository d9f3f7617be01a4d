package tls

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestKeyLogLines(t *testing.T) {
	random, secret := strings.Repeat("ab", 32), strings.Repeat("CD", 48)
	for _, c := range []struct {
		line string
		errs string
		n    int
	}{
		{"", "", 0},
		{"# comment", "", 0},
		{"CLIENT_RANDOM " + random + " " + secret, "", 1},
		{"  CLIENT_RANDOM\t" + random + "  " + secret + "\r", "", 1},
		{"SERVER_TRAFFIC_SECRET_0 " + random + " " + secret[:64], "", 1},
		{"EXPORTER_SECRET " + random + " " + secret, "", 0},
		{"RSA 0123456789abcdef " + secret, "", 0},
		{"SOMETHING_NEW", "", 0},
		{"CLIENT_RANDOM " + random, "CLIENT_RANDOM has 1 fields after it, and 2 are needed: client random and secret", 0},
		{"CLIENT_RANDOM " + random[1:] + " " + secret, "CLIENT_RANDOM: the client random has 63 hexadecimal digits, and 64 are needed", 0},
		{"CLIENT_RANDOM " + random + " " + secret[:64], "CLIENT_RANDOM: the secret has 64 hexadecimal digits, and 96 are needed", 0},
		{"CLIENT_TRAFFIC_SECRET_0 " + random + " " + secret[:2], "CLIENT_TRAFFIC_SECRET_0: the secret has 2 hexadecimal digits, and 64 or 96 are needed", 0},
		{"CLIENT_RANDOM " + random[:63] + "g " + secret, "CLIENT_RANDOM: the client random is not hexadecimal", 0},
		{"CLIENT_RANDOM " + random + " " + secret[:95] + "!", "CLIENT_RANDOM: the secret is not hexadecimal", 0},
		{"PK\x03\x04 what is this", `"PK\x03\x04" is no label of a key log; a line is as CLIENT_RANDOM 64-HEX-DIGITS 96-HEX-DIGITS`, 0},
	} {
		k := NewKeys(0)
		lines, err := k.Add([]byte("# first\n"+c.line+"\n"), 7)
		said := ""
		if err != nil {
			said = strings.TrimPrefix(err.Error(), "line 8: ")
		}
		if lines != 2 || said != c.errs || k.Len() != c.n {
			t.Errorf("%q: %d lines, %d keys, %q", c.line, lines, k.Len(), said)
		}
	}
	_, err := NewKeys(0).Add([]byte(strings.Repeat("?\n", 100)), 1)
	if n := strings.Count(err.Error(), "\n") + 1; n != maxLineErrors {
		t.Errorf("%d errors of one text are told", n)
	}
}

func TestKeysForgetTheOldest(t *testing.T) {
	k := NewKeys(3)
	random := func(i int) (r [32]byte) { r[0] = byte(i); return r }
	for i := range 8 {
		if _, err := k.Add(fmt.Appendf(nil, "CLIENT_RANDOM %x %096x\n", random(i), i), 1); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 8 {
		if got := k.secret(master, random(i)); (got != nil) != (i >= 5) || got != nil && got[47] != byte(i) {
			t.Errorf("%d: %x", i, got)
		}
	}
	if k.Len() != 3 || len(k.order) != 3 {
		t.Errorf("%d keys, %d in order", k.Len(), len(k.order))
	}
}

func TestMissAsksForMore(t *testing.T) {
	k := NewKeys(0)
	asked := 0
	k.Miss = func() {
		asked++
		k.put(master, [32]byte{1}, bytes.Repeat([]byte{1}, 48))
	}
	if k.secret(master, [32]byte{1}) == nil || k.secret(master, [32]byte{2}) != nil || asked != 2 || !k.knows([32]byte{1}) || asked != 2 || k.knows([32]byte{3}) {
		t.Errorf("asked %d times", asked)
	}
}

func TestKeysAtTheSameTime(t *testing.T) {
	k := NewKeys(50)
	k.Miss = func() {}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 200 {
				r := [32]byte{byte(w), byte(i)}
				k.put(master, r, bytes.Repeat([]byte{byte(i)}, 48))
				if s := k.secret(master, r); s != nil && s[0] != byte(i) {
					t.Errorf("got %x", s)
				}
				k.Len()
			}
		})
	}
	wg.Wait()
}

// FuzzKeyLog holds that any text is read in lines, whatever is cut where, and
// that what is wrong is told with its line.
func FuzzKeyLog(f *testing.F) {
	c := newScript(0x1301)
	f.Add([]byte(c.log()), 10)
	f.Add([]byte("# c\n\nCLIENT_RANDOM 12 34\nX Y Z\nSERVER_TRAFFIC_SECRET_0"), 3)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		whole, parts := NewKeys(4), NewKeys(4)
		lines, err := whole.Add(text, 1)
		if want := bytes.Count(text, []byte("\n")); lines != want && lines != want+1 {
			t.Fatalf("%d lines of %d newlines", lines, want)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "line ") {
			t.Fatal(err)
		}
		if whole.Len() > 4 {
			t.Fatalf("%d keys", whole.Len())
		}
		at := 0
		if len(text) > 0 {
			at = bytes.LastIndexByte(text[:max(cut, -cut, 0)%len(text)+1], '\n') + 1
		}
		n, _ := parts.Add(text[:at], 1)
		m, _ := parts.Add(text[at:], 1+n)
		if n+m != lines || parts.Len() != whole.Len() {
			t.Fatalf("in parts %d lines and %d keys, whole %d and %d", n+m, parts.Len(), lines, whole.Len())
		}
	})
}

// TestUsedKeys: those that were asked for, every line once, whatever is added
// later.
func TestUsedKeys(t *testing.T) {
	random := func(n int) (r [32]byte) { r[0] = byte(n); return r }
	line := func(name string, n int) string {
		return fmt.Sprintf("%s %x %s\n", name, random(n), strings.Repeat("cd", 48))
	}
	k := NewKeys(0)
	k.Collect = true
	add := func(s string) {
		if _, err := k.Add([]byte(s), 1); err != nil {
			t.Fatal(err)
		}
	}
	add(line("CLIENT_RANDOM", 1) + line("CLIENT_RANDOM", 2) + line("SERVER_HANDSHAKE_TRAFFIC_SECRET", 3) + line("CLIENT_HANDSHAKE_TRAFFIC_SECRET", 3))
	k.secret(serverHandshake, random(3))
	k.secret(serverTraffic, random(3)) // is not known
	k.secret(master, random(2))
	k.secret(master, random(9))
	if got, want := string(k.Used(nil, 1<<10)), line("CLIENT_HANDSHAKE_TRAFFIC_SECRET", 3)+line("SERVER_HANDSHAKE_TRAFFIC_SECRET", 3)+line("CLIENT_RANDOM", 2); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	k.secret(master, random(2))
	add(line("SERVER_TRAFFIC_SECRET_0", 3) + line("CLIENT_RANDOM", 2))
	k.secret(serverTraffic, random(3))
	k.secret(master, random(1))
	if got, want := string(k.Used(nil, 1)), line("SERVER_TRAFFIC_SECRET_0", 3); got != want {
		t.Errorf("later: got\n%s\nwant\n%s", got, want)
	}
	if got, want := string(k.Used(nil, 1)), line("CLIENT_RANDOM", 1); got != want {
		t.Errorf("the rest: got\n%s\nwant\n%s", got, want)
	}
	if got := k.Used(nil, 1); got != nil {
		t.Errorf("at the end: %q", got)
	}
}
