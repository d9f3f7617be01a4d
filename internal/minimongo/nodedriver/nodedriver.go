// Package nodedriver runs the official Node.js driver of MongoDB against a server, for tests of minimongo and of what
// stands between a driver and a server. It installs the driver once, into the user's cache folder.
package nodedriver

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed package.json
var manifest []byte

//go:embed package-lock.json
var lock []byte

//go:embed main.mjs
var script []byte

//go:embed zstd.cjs
var zstdAddon []byte

// ErrNoNode says that this machine cannot run the driver: no npm, or a node older than the driver takes.
var ErrNoNode = errors.New("needs npm and node 20.19 or newer")

// Compressors are those that the driver knows, none first.
func Compressors() []string { return []string{"", "snappy", "zlib", "zstd"} }

// Run lets the driver insert, find, page, change, aggregate, fail, commit and abort on the server at uri, and returns
// the commands it sent by name. The compressor is one of Compressors.
func Run(ctx context.Context, uri, compressor string) (map[string]int, error) {
	dir, err := setUp(ctx)
	if err != nil {
		return nil, err
	}
	out, err := run(ctx, dir, "node", "main.mjs", uri, compressor)
	if err != nil {
		return nil, err
	}
	var seen struct{ Commands map[string]int }
	if err := json.Unmarshal(out, &seen); err != nil {
		return nil, fmt.Errorf("nodedriver: %q: %w", out, err)
	}
	return seen.Commands, nil
}

// setUp returns a folder with the driver and the script, made on first use. Two at once do the work twice and keep one.
func setUp(ctx context.Context) (string, error) {
	if err := checkNode(ctx); err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("nodedriver: %w", err)
	}
	sum := sha256.Sum256(bytes.Join([][]byte{manifest, lock, script, zstdAddon}, nil))
	dir := filepath.Join(cache, "pitot", "node-driver-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(filepath.Join(dir, "main.mjs")); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("nodedriver: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "node-driver-")
	if err != nil {
		return "", fmt.Errorf("nodedriver: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := install(ctx, tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("nodedriver: %w", err)
	}
	return dir, nil
}

func install(ctx context.Context, dir string) error {
	for name, content := range map[string][]byte{"package.json": manifest, "package-lock.json": lock, "main.mjs": script} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("nodedriver: %w", err)
		}
	}
	if _, err := run(ctx, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"); err != nil {
		return err
	}
	return addZstd(filepath.Join(dir, "node_modules", "@mongodb-js", "zstd"))
}

// addZstd puts our zstd where the driver looks for its addon.
func addZstd(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("nodedriver: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.js"), zstdAddon, 0o644); err != nil {
		return fmt.Errorf("nodedriver: %w", err)
	}
	return nil
}

func checkNode(ctx context.Context) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return ErrNoNode
	}
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return ErrNoNode
	}
	parts := strings.SplitN(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".", 3)
	if len(parts) < 2 {
		return ErrNoNode
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil || major < 20 || major == 20 && minor < 19 {
		return ErrNoNode
	}
	return nil
}

func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("nodedriver: %s %s: %w\n%s", name, args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
