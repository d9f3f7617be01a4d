package overload

import (
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"syscall"
)

// Limits are how much there is of what is measured; 0 where that is not known.
type Limits struct {
	Memory, Descriptors, Goroutines, Connections int64
}

// WithSystem fills in what the system knows: the memory of the control group and
// how many files may be open.
func (l Limits) WithSystem() Limits {
	if l.Memory == 0 {
		l.Memory = groupMemory("/")
	}
	var files syscall.Rlimit
	if l.Descriptors == 0 && syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		l.Descriptors = int64(min(files.Cur, 1<<62))
	}
	return l
}

// groupMemory is memory.max of the process's control group (version 2), 0 for
// none.
func groupMemory(root string) int64 {
	group, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup")) // what cannot be read is no group
	for line := range strings.Lines(string(group)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for {
			b, err := os.ReadFile(filepath.Join(root, "sys/fs/cgroup", path, "memory.max"))
			if n, no := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && no == nil {
				return n
			}
			if path == "/" || path == "." || path == "" {
				return 0
			}
			path = filepath.Dir(path)
		}
	}
	return 0
}

// Pressure measures the process; connections are told.
func (l Limits) Pressure(connections int64) Sample {
	used := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(used)
	of := func(n, most int64) float64 {
		if most <= 0 {
			return 0
		}
		return float64(n) / float64(most)
	}
	files := int64(0)
	if l.Descriptors > 0 {
		files = openFiles()
	}
	return Sample{
		of(int64(used[0].Value.Uint64()-used[1].Value.Uint64()), l.Memory), of(files, l.Descriptors),
		of(int64(used[2].Value.Uint64()), l.Goroutines), of(connections, l.Connections),
	}
}

// openFiles is how many descriptors are open, 0 where that cannot be known.
func openFiles() (n int64) {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(4096)
		if n += int64(len(names)); err != nil {
			return n - 1 // but for d itself
		}
	}
}
