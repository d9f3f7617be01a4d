package registry

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Machine tells how busy this machine is, by Linux' /proc (proc(5)).
type Machine struct {
	busy, total uint64 // ticks of all processors, at the last look
}

// Load is the share of processor time since the last call, since the start of
// the machine at first, and of memory that is in use.
func (m *Machine) Load() (*Load, error) {
	stat, err := os.ReadFile("/proc/stat")
	memory, err2 := os.ReadFile("/proc/meminfo")
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("registry: how busy this machine is cannot be told: %w", err)
	}
	l := new(Load)
	if l.CPU, err = m.processors(string(stat)); err == nil {
		l.Memory, err = memoryUsed(string(memory))
	}
	return l, err
}

// processors reads /proc/stat: "cpu user nice system idle iowait irq ...".
func (m *Machine) processors(stat string) (float64, error) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, errors.New("registry: /proc/stat has no line of all processors")
	}
	var idle, total uint64
	for i, text := range f[1:9] { // guests are part of user
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("registry: /proc/stat: %w", err)
		}
		if total += n; i == 3 || i == 4 {
			idle += n
		}
	}
	busy := total - idle
	b, t := busy-m.busy, total-m.total
	m.busy, m.total = busy, total
	if t == 0 || b > t { // no tick went by, or a counter went back
		return 0, nil
	}
	return float64(b) / float64(t), nil
}

// memoryUsed reads /proc/meminfo.
func memoryUsed(text string) (float64, error) {
	var total, available float64
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseFloat(f[1], 64) // what is no number is not one of these
		switch f[0] {
		case "MemTotal:":
			total = n
		case "MemAvailable:":
			available = n
		}
	}
	if total == 0 || available > total {
		return 0, errors.New("registry: /proc/meminfo tells no MemTotal")
	}
	return (total - available) / total, nil
}
