package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// benchStore replays into the embedded store: spans a second, end to end.
func benchStore(o options, dir string) error {
	file := filepath.Join(dir, "store.pcap")
	if _, err := captureOf(smallHTTP).write(file, min(o.pcapMB, 128)<<20); err != nil {
		return err
	}
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	store := exec.Command(o.pitot, "store", "--listen", listen, "--data", filepath.Join(dir, "data"))
	store.Stderr = os.Stderr
	if err := store.Start(); err != nil {
		return err
	}
	defer func() {
		_ = store.Process.Signal(syscall.SIGTERM)
		_ = store.Wait() // ended by our own signal
	}()
	dsn := "http://" + listen
	if err := answering(o.pitot, dsn); err != nil {
		return err
	}
	t := newTable("Replay into the embedded store", "wall s", "spans/s")
	for range o.rounds {
		before, err := countRows(o.pitot, dsn)
		if err != nil {
			return err
		}
		run, err := readOnce([]string{o.pitot, "replay", file, "--store", dsn, "--shift-time", "now"})
		if err != nil {
			return err
		}
		after, err := countRows(o.pitot, dsn)
		if err != nil {
			return err
		}
		t.add("pitot replay --store", run.wall, float64(after-before)/run.wall)
	}
	t.print()
	return nil
}

// answering waits until the store answers and has the schema to count in.
func answering(pitot, dsn string) (err error) {
	for range 100 {
		if err = exec.Command(pitot, "sql", "--store", dsn, "SELECT 1").Run(); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("store at %s: %w", dsn, err)
}

func countRows(pitot, dsn string) (int, error) {
	const q = "SELECT sum(total_rows) FROM system.tables WHERE database = 'pitot' AND name = 'otel_traces'"
	out, err := exec.Command(pitot, "sql", "--store", dsn, "--format", "TSV", q).Output()
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(out))
	if text == "" || text == `\N` {
		return 0, nil // no table yet
	}
	return strconv.Atoi(text)
}

// reading is one run of a program over a file: seconds, and its peak of resident memory in MiB.
type reading struct{ cpu, wall, rss float64 }

func readOnce(command []string, env ...string) (reading, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return reading{}, err
	}
	defer null.Close()
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = null, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return reading{}, fmt.Errorf("%v: %w: %s", command, err, stderr.String())
	}
	s := cmd.ProcessState
	r := reading{cpu: (s.UserTime() + s.SystemTime()).Seconds(), wall: time.Since(began).Seconds()}
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		r.rss = float64(u.Maxrss) / 1024 // Linux counts in KiB
	}
	return r, nil
}
