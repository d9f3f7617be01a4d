package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// flood writes a capture of n connections: a quarter are a SYN and nothing
// more, a quarter a request without an answer, a quarter never end.
type flood struct {
	*bufio.Writer
	at uint64 // nanoseconds
}

func (f *flood) write(n int) error {
	h := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d)
	h = append(h, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 101, 0, 0, 0)
	if _, err := f.Write(h); err != nil {
		return err
	}
	const ask, answer = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for i := range n {
		for step := range []int{1, 3, 4, 6}[i%4] {
			switch step {
			case 0:
				f.packet(i, true, 100, 0, 2, "")
			case 1:
				f.packet(i, false, 500, 101, 18, "")
			case 2:
				f.packet(i, true, 101, 501, 24, ask)
			case 3:
				f.packet(i, false, 501, 101+len(ask), 24, answer)
			case 4:
				f.packet(i, true, 101+len(ask), 501+len(answer), 17, "")
			case 5:
				f.packet(i, false, 501+len(answer), 102+len(ask), 17, "")
			}
		}
	}
	return f.Flush()
}

func (f *flood) packet(i int, up bool, seq, ack int, flags byte, data string) {
	client, server := binary.BigEndian.AppendUint32(nil, uint32(11<<24+i/50_000)), []byte{10, 0, 0, 2}
	ports := []uint16{uint16(1024 + i%50_000), 80}
	b := []byte{0x45, 0, 0, byte(40 + len(data)), 0, 0, 0, 0, 64, 6, 0, 0}
	if up {
		b = append(append(b, client...), server...)
	} else {
		b = append(append(b, server...), client...)
		ports[0], ports[1] = ports[1], ports[0]
	}
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, ports[0]), ports[1])
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(seq)), uint32(ack))
	b = append(b, 0x50, flags, 255, 255, 0, 0, 0, 0)
	b = append(b, data...)
	f.at += 20_000
	for _, v := range []uint64{1_700_000_000 + f.at/1e9, f.at % 1e9, uint64(len(b)), uint64(len(b))} {
		_, _ = f.Write(binary.LittleEndian.AppendUint32(nil, uint32(v))) // Flush tells
	}
	_, _ = f.Write(b) // Flush tells
}

// TestReplayOfManyConnectionsFitsInMemory measures the peak of a replay of more
// connections than are followed at a time. PITOT_TEST_CONNECTIONS says how many:
// scripts/check.sh takes a million.
func TestReplayOfManyConnectionsFitsInMemory(t *testing.T) {
	n := 60_000
	if s := os.Getenv("PITOT_TEST_CONNECTIONS"); s != "" {
		count, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		n = count
	}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector needs memory of its own")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, to := io.Pipe()
	go func() { to.CloseWithError((&flood{Writer: bufio.NewWriterSize(to, 1<<20)}).write(n)) }()
	var said strings.Builder
	cmd := exec.Command(program, "replay", "-", "--json")
	cmd.Stdin, cmd.Stderr = from, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	if want := strconv.Itoa(n/4*3) + " exchanges on " + strconv.Itoa(n) + " connections"; !strings.Contains(said.String(), want) {
		t.Errorf("said %q, want %q", said.String(), want)
	}
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	t.Logf("%d connections: %d MiB", n, peak)
	if peak >= 512 {
		t.Errorf("the peak of %d connections is %d MiB", n, peak)
	}
}
