package pcapfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
	"pgregory.net/rapid"
)

// written is a file with everything a Writer can write.
func written(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, Section{Application: "pitot test", System: "linux", Hardware: "x", Comment: "a section"})
	eth, err := w.AddInterface(Interface{Link: 1, SnapLen: 1000, Name: "eth0", Text: "the first", Filter: "tcp port 80", Comment: "näh"})
	must(t, err)
	must(t, w.Secrets(SecretsTLS, []byte("CLIENT_RANDOM 00 11\n")))
	must(t, w.Packet(Packet{Interface: eth, Time: 1_700_000_000_000_000_001, Data: frame("abc"), Comments: []string{"hello"}}))
	sll, err := w.AddInterface(Interface{Link: 276, Name: "any"})
	must(t, err)
	must(t, w.Packet(Packet{Interface: sll, Time: 1_700_000_000_000_000_002, Data: make([]byte, 21), Wire: 90, Direction: Outbound}))
	must(t, w.Statistics(eth, 1_700_000_000_000_000_003, 1, 7, "dropped"))
	must(t, w.Packet(Packet{Interface: eth, Time: 1_700_000_001_000_000_000, Data: frame("")}))
	if w.Size() == 0 || out.Len() != 0 {
		t.Errorf("%d bytes written of %d before Flush", out.Len(), w.Size())
	}
	must(t, w.Flush())
	if w.Size() != int64(out.Len()) {
		t.Errorf("Size is %d, and %d bytes were written", w.Size(), out.Len())
	}
	return out.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// frame is an Ethernet frame of no known type.
func frame(payload string) []byte {
	return append([]byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5"), payload...)
}

func TestWriterIsReadBack(t *testing.T) {
	got, err := readBytes(written(t))
	want := []string{
		fmt.Sprintf(`1700000000.000000001 link 1 wire 17 %q`, frame("abc")),
		fmt.Sprintf(`1700000000.000000002 link 276 wire 90 %q`, make([]byte, 21)),
		fmt.Sprintf(`1700000001.000000000 link 1 wire 14 %q`, frame("")),
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || err != io.EOF {
		t.Errorf("got\n%s\n%v; want\n%s", strings.Join(got, "\n"), err, strings.Join(want, "\n"))
	}
}

// TestOthersReadWhatIsWritten asks pcapgo, and Wireshark's tools where they are.
func TestOthersReadWhatIsWritten(t *testing.T) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(written(t)), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	must(t, err)
	n := 0
	for ; err == nil; n++ {
		_, _, err = r.ReadPacketData()
	}
	if n != 4 || err != io.EOF || r.NInterfaces() != 2 {
		t.Errorf("pcapgo reads %d packets of %d interfaces: %v", n-1, r.NInterfaces(), err)
	}
	name := filepath.Join(t.TempDir(), "written.pcapng")
	must(t, os.WriteFile(name, written(t), 0o600))
	for _, c := range []struct{ tool, want string }{
		{"capinfos", "Number of packets:   3"},
		{"tshark", "eth0"},
	} {
		if _, err := exec.LookPath(c.tool); err != nil {
			t.Logf("%s is not here; left out", c.tool)
			continue
		}
		args := map[string][]string{"capinfos": {name}, "tshark": {"-r", name, "-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment", "-e", "frame.time_epoch"}}
		out, err := exec.Command(c.tool, args[c.tool]...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v\n%s", c.tool, err, out)
		}
		if c.tool == "tshark" && !strings.Contains(string(out), "eth0\thello\t1700000000.000000001") {
			t.Errorf("tshark does not show the packet as it was written:\n%s", out)
		}
	}
}

// TestAnythingIsReadBack writes packets of any size and time.
func TestAnythingIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		w := NewWriter(&out, Section{Comment: rapid.String().Draw(t, "comment")})
		var want []string
		links := rapid.SliceOfN(rapid.Uint16(), 1, 3).Draw(t, "links")
		for i, l := range links {
			if n, err := w.AddInterface(Interface{Link: l, Name: rapid.String().Draw(t, "name")}); n != i || err != nil {
				t.Fatal(n, err)
			}
		}
		for range rapid.IntRange(0, 20).Draw(t, "packets") {
			k := Packet{
				Interface: rapid.IntRange(0, len(links)-1).Draw(t, "interface"),
				Time:      rapid.Int64Range(1, 1<<62).Draw(t, "time"),
				Data:      rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data"),
				Wire:      rapid.IntRange(0, 200).Draw(t, "wire"),
				Direction: Direction(rapid.IntRange(0, 2).Draw(t, "direction")),
				Comments:  rapid.SliceOfN(rapid.String(), 0, 2).Draw(t, "comments"),
			}
			if err := w.Packet(k); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("%d.%09d link %d wire %d %q", k.Time/1e9, k.Time%1e9, links[k.Interface], max(k.Wire, len(k.Data)), k.Data))
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, err := readBytes(out.Bytes()); strings.Join(got, "\n") != strings.Join(want, "\n") || err != io.EOF {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	})
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

// TestWriterKeepsItsError: after the first error nothing is collected.
func TestWriterKeepsItsError(t *testing.T) {
	w := NewWriter(&failing{100 << 10}, Section{})
	if err := w.Packet(Packet{}); err == nil {
		t.Error("a packet without an interface was taken")
	}
	i, err := w.AddInterface(Interface{Link: 1})
	must(t, err)
	for range 100 {
		err = w.Packet(Packet{Interface: i, Data: make([]byte, 4<<10)})
	}
	if err == nil || err.Error() != "disk full" || len(w.buf) > 8<<10 {
		t.Errorf("%v, with %d bytes in the buffer", err, len(w.buf))
	}
}

func BenchmarkWriter(b *testing.B) {
	w := NewWriter(io.Discard, Section{})
	i, err := w.AddInterface(Interface{Link: 1})
	must(b, err)
	data := make([]byte, 200)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		must(b, w.Packet(Packet{Interface: i, Time: 1, Data: data}))
	}
}

// TestInterfacesAreReadBack: what is told of an interface goes the whole way,
// and its times have the decimals that it names.
func TestInterfacesAreReadBack(t *testing.T) {
	ifs := []Interface{
		{Link: 1, SnapLen: 1000, Name: "eth0", Text: "the first", Filter: "tcp port 80", Comment: "näh", Digits: 6},
		{Link: 276, Name: "any", Number: 1, Digits: 9},
		{Link: 101, Number: 2, Digits: 3},
	}
	var out bytes.Buffer
	w := NewWriter(&out, Section{})
	for i := range ifs {
		_, err := w.AddInterface(ifs[i])
		must(t, err)
		must(t, w.Packet(Packet{Interface: i, Time: 1_234_567_891, Data: []byte("x")}))
		must(t, w.Statistics(i, 1_234_567_891, 0, 0, ""))
	}
	must(t, w.Flush())
	if err := w.Statistics(3, 0, 0, 0, ""); err == nil {
		t.Error("statistics of an interface that nobody described")
	}
	r, err := NewReader("x", &out, DefaultLimits())
	must(t, err)
	var rec Record
	for i, at := range []int64{1_234_567_000, 1_234_567_891, 1_234_000_000} {
		must(t, r.Next(&rec))
		if *rec.Interface != ifs[i] || rec.Time != at {
			t.Errorf("%d: %+v, want %+v at %d", rec.Time, *rec.Interface, ifs[i], at)
		}
	}
}
