package library

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// home gives the test a cache folder of its own and returns it.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv(EnvPath, "")
	return dir
}

func TestFindTellsEveryPlaceAndTheMend(t *testing.T) {
	home(t)
	_, err := Find()
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Skipf("an engine is installed system-wide: %v", err)
	}
	folder, _ := Folder()
	for _, want := range []string{folder, "/usr/local/lib", "/usr/lib", "make engine", "pitot engine", EnvPath} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

func TestFindTakesTheCacheFolderAndTheVariableWins(t *testing.T) {
	home(t)
	folder, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	cached := touch(t, filepath.Join(folder, "libchdb.so"))
	if got, err := Find(); err != nil || got != cached {
		t.Fatalf("Find() = %q, %v; want %q", got, err, cached)
	}
	own := touch(t, filepath.Join(t.TempDir(), "mine.so"))
	t.Setenv(EnvPath, own)
	if got, err := Find(); err != nil || got != own {
		t.Fatalf("Find() = %q, %v; want %q", got, err, own)
	}
	t.Setenv(EnvPath, own+".not")
	if _, err := Find(); err == nil || !strings.Contains(err.Error(), own+".not is not a file") {
		t.Fatalf("a wrong %s must be final, got %v", EnvPath, err)
	}
}

func TestFetchWithoutNpmSaysSo(t *testing.T) {
	home(t)
	t.Setenv("PATH", t.TempDir())
	_, err := Fetch(context.Background(), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "npm is not on PATH") {
		t.Fatalf("got %v", err)
	}
}

// fakeNpm puts a script called npm on PATH that runs body; $4 is the folder to pack into.
func fakeNpm(t *testing.T, body string) {
	t.Helper()
	bin := t.TempDir()
	script := "#!/bin/sh\n" + body + "\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestFetchPassesOnWhatNpmSaid(t *testing.T) {
	home(t)
	fakeNpm(t, `echo "no such package" >&2; exit 3`)
	_, err := Fetch(context.Background(), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no such package") {
		t.Fatalf("got %v", err)
	}
}

func TestFetchRefusesAnotherArchive(t *testing.T) {
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		t.Skip("the digest is pinned for linux/amd64 only")
	}
	dir := home(t)
	fakeNpm(t, `echo rubbish > "$4/x.tgz"`)
	_, err := Fetch(context.Background(), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "nothing was installed") {
		t.Fatalf("got %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "pitot/engine/*/*"))
	if len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestFetchLeavesWhatIsThere(t *testing.T) {
	home(t)
	fakeNpm(t, `exit 9`)
	folder, _ := Folder()
	there := touch(t, filepath.Join(folder, "libchdb.so"))
	got, err := Fetch(context.Background(), io.Discard)
	if err != nil || got != there {
		t.Fatalf("Fetch() = %q, %v", got, err)
	}
}

func TestUnpackInstallsTheMemberOnly(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "a.tgz")
	writeArchive(t, archive, map[string]string{"package/index.js": "no", "package/libchdb.so": "engine"})
	target := filepath.Join(dir, "out.so")
	if err := unpack(archive, "package/libchdb.so", target); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(target); string(got) != "engine" {
		t.Fatalf("unpacked %q", got)
	}
	if err := unpack(archive, "package/other.so", target); err == nil {
		t.Fatal("a missing member must be an error")
	}
	whole, _ := os.ReadFile(archive)
	if err := os.WriteFile(archive, whole[:len(whole)-20], 0o644); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.so")
	if err := unpack(archive, "package/zzz", cut); err == nil || isFile(cut) {
		t.Fatalf("a cut archive gave %v", err)
	}
}

func writeArchive(t *testing.T, path string, members map[string]string) {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for name, body := range members {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, body)
	}
	_, _ = w.Close(), z.Close()
	if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func touch(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
