package store

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lockName is the file in the data folder whose lock is held while the engine is open; it names the holder's process id.
const lockName = "pitot.lock"

// lock takes the data folder for this process, or says who has it. Closing the file gives it back, as does the process's end.
func lock(data string) (*os.File, error) {
	path := filepath.Join(data, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("store data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 64))
		_ = f.Close()
		return nil, fmt.Errorf("store data %s is in use by process %s; stop it, ask it over HTTP, or choose another folder with --data", data, strings.TrimSpace(string(holder)))
	}
	if err := f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("store data folder: %w", err)
	}
	return f, nil
}
