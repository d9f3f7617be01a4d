// Package library finds the embedded ClickHouse engine (libchdb) on this machine and fetches it when asked.
// It never loads the library; sink/store does.
package library

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Version is the release of the engine's npm package that pitot is built and tested with.
const Version = "26.7.3-stable.1"

// EnvPath names the environment variable that overrides every other place.
const EnvPath = "PITOT_CHDB_LIB"

// platform is one operating system and architecture the engine is published for.
type platform struct {
	pkg       string // npm package
	file      string // the library inside the package
	integrity string // what npm reports for Version's archive; empty where it could not be pinned, then npm's own check stands alone
}

// platforms lists the builds of Version by GOOS/GOARCH.
func platforms() map[string]platform {
	return map[string]platform{
		"linux/amd64": {
			pkg: "@chdb/lib-linux-x64-gnu", file: "libchdb.so",
			integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
		},
		"linux/arm64":  {pkg: "@chdb/lib-linux-arm64-gnu", file: "libchdb.so"},
		"darwin/amd64": {pkg: "@chdb/lib-darwin-x64", file: "libchdb.so"},
		"darwin/arm64": {pkg: "@chdb/lib-darwin-arm64", file: "libchdb.so"},
	}
}

// MissingError says that no engine library was found.
type MissingError struct {
	Tried  []string // places looked at, in order
	Reason string   // why a place named by hand does not do, or empty
	Mend   string   // what mends it, where fetching does not
}

// Error is one line: what is missing, where it was looked for, and the command that mends it.
func (e *MissingError) Error() string {
	reason := e.Reason
	if reason == "" {
		reason = "not found in " + strings.Join(e.Tried, ", ")
	}
	mend := e.Mend
	if mend == "" {
		mend = fmt.Sprintf("fetch it once with `make engine` or `pitot engine`, or point %s at it", EnvPath)
	}
	return fmt.Sprintf("the embedded ClickHouse engine (libchdb %s) is missing: %s; %s", Version, reason, mend)
}

// Folder is the folder of this version's library in the user's cache.
func Folder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for the engine: %w (set HOME or XDG_CACHE_HOME)", err)
	}
	return filepath.Join(cache, "pitot", "engine", Version+"-"+runtime.GOOS+"-"+runtime.GOARCH), nil
}

// Find returns the path of the library: PITOT_CHDB_LIB, beside the executable, the user's cache folder,
// /usr/local/lib, /usr/lib. A set PITOT_CHDB_LIB is final: a wrong one is an error, not a reason to look on.
// The error is a *MissingError.
func Find() (string, error) {
	if path := os.Getenv(EnvPath); path != "" {
		if isFile(path) {
			return path, nil
		}
		return "", &MissingError{Tried: []string{path}, Reason: fmt.Sprintf("%s=%s is not a file", EnvPath, path)}
	}
	tried := places()
	for _, path := range tried {
		if isFile(path) {
			return path, nil
		}
	}
	return "", &MissingError{Tried: tried}
}

func places() []string {
	name := "libchdb.so"
	if p, ok := platforms()[runtime.GOOS+"/"+runtime.GOARCH]; ok {
		name = p.file
	}
	var out []string
	if exe, err := os.Executable(); err == nil {
		out = append(out, filepath.Join(filepath.Dir(exe), name))
	}
	if dir, err := Folder(); err == nil {
		out = append(out, filepath.Join(dir, name))
	}
	return append(out, filepath.Join("/usr/local/lib", name), filepath.Join("/usr/lib", name))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
