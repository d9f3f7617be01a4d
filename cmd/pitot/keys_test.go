package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-io/pitot/tap/pcapfile"
)

const (
	httpsCapture = testdata + "/https-curl.pcap"
	httpsKeys    = testdata + "/https-curl.keys"
)

// The same capture tells hosts by name without its key log, and every exchange
// with it; what is told without stands beside the other captures' spans.
func TestHTTPSWithItsKeyLog(t *testing.T) {
	got, stderr, code := pitot(t, "replay", httpsCapture, "--keylog", httpsKeys, "--json")
	if code != exitDone || strings.Contains(stderr, "warning") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	golden := testdata + "/https-curl.keys.jsonl"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("(-want +got):\n%.4000s", diff)
	}
	if n := strings.Count(got, `"url.scheme":"https","server.address":"shop.example"`); n != 12 || strings.Contains(got, `"protocol":"tcp"`) {
		t.Errorf("%d exchanges of 12:\n%s", n, got)
	}
	without, _, _ := pitot(t, "replay", httpsCapture, "--json")
	if n := strings.Count(without, `"service":"shop.example"`); n != 4 || strings.Contains(without, "/cart") {
		t.Errorf("without the key log %d connections are told by name:\n%s", n, without)
	}
}

// TestSecretsInTheCapture carries the key log in the capture itself.
func TestSecretsInTheCapture(t *testing.T) {
	file := filepath.Join(t.TempDir(), "with-secrets.pcapng")
	withSecrets(t, file)
	got, stderr, code := pitot(t, "replay", file, "--json")
	want, _, _ := pitot(t, "replay", httpsCapture, "--keylog", httpsKeys, "--json")
	if code != exitDone || got != want {
		t.Errorf("exit %d, %s (-want +got):\n%.4000s", code, stderr, cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
	shown, stderr, code := pitot(t, "inspect", file)
	if code != exitDone || !strings.Contains(shown, "ApplicationData (decrypted)") || !strings.Contains(shown, "GET /cart/7") {
		t.Errorf("inspect: exit %d, %s\n%.2000s", code, stderr, shown)
	}
}

func withSecrets(t *testing.T, file string) {
	t.Helper()
	secrets, err := os.ReadFile(httpsKeys)
	if err != nil {
		t.Fatal(err)
	}
	in, err := pcapfile.Open(httpsCapture, nil, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	copyWithSecrets(t, in, out, secrets)
}

func TestKeyLogThatCannotBeRead(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.keys")
	if err := os.WriteFile(bad, []byte("CLIENT_RANDOM 12 34\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		code int
		says string
	}{
		{"nowhere.keys", exitFailed, "--keylog: open nowhere.keys"},
		{bad, exitDone, "warning: key log " + bad + ": line 1: CLIENT_RANDOM: the client random has 2 hexadecimal digits, and 64 are needed"},
	} {
		_, stderr, code := pitot(t, "replay", httpsCapture, "--keylog", c.file, "--json")
		if code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("exit %d, want %d: %s", code, c.code, stderr)
		}
	}
}

// copyWithSecrets writes the packets of in as pcapng, the key log before them.
func copyWithSecrets(t *testing.T, in *pcapfile.Reader, out *os.File, secrets []byte) {
	t.Helper()
	w := pcapfile.NewWriter(out, pcapfile.Section{})
	var rec pcapfile.Record
	for i := 0; in.Next(&rec) == nil; i++ {
		if i == 0 {
			if _, err := w.AddInterface(pcapfile.Interface{Link: rec.Link}); err != nil {
				t.Fatal(err)
			}
			if err := w.Secrets(pcapfile.SecretsTLS, secrets); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Packet(pcapfile.Packet{Time: rec.Time, Wire: rec.Wire, Data: rec.Data}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}
