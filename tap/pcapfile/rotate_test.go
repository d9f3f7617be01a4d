package pcapfile

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func packets(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	got, _ := readBytes(b)
	return got
}

// TestFilesRotate begins a new file by size and by the packets' time, and keeps
// the newest.
func TestFilesRotate(t *testing.T) {
	for _, c := range []struct {
		name string
		r    Rotation
		want []int // packets of each file that is left
	}{
		{"never", Rotation{}, []int{20}},
		{"by size", Rotation{Size: 1000}, []int{9, 9, 2}},
		{"by time", Rotation{Every: 5 * time.Second}, []int{5, 5, 5, 5}},
		{"keeping two", Rotation{Every: 5 * time.Second, Keep: 2}, []int{5, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			f, err := Create(filepath.Join(dir, "w.pcapng"), c.r, Section{}, []Interface{{Link: 1, Name: "eth0"}}, nil)
			must(t, err)
			for i := range 20 {
				must(t, f.Packet(Packet{Time: 1_700_000_000e9 + int64(i)*1e9, Data: make([]byte, 80)}))
			}
			must(t, f.Statistics(1_700_000_020e9, 20, 0, ""))
			must(t, f.Close())
			files, _ := filepath.Glob(filepath.Join(dir, "*"))
			if len(files) != len(c.want) {
				t.Fatalf("%q", files)
			}
			for i, name := range files {
				if got := len(packets(t, name)); got != c.want[i] {
					t.Errorf("%s has %d packets, not %d", name, got, c.want[i])
				}
				if c.r.any() != regexp.MustCompile(`/w-0000\d-20\d{12}\.pcapng$`).MatchString(name) {
					t.Errorf("%s", name)
				}
			}
		})
	}
}

func TestCreateSaysWhatIsWrong(t *testing.T) {
	if _, err := Create(filepath.Join(t.TempDir(), "none", "w.pcapng"), Rotation{}, Section{}, nil, nil); err == nil || !strings.Contains(err.Error(), "w.pcapng") {
		t.Errorf("%v", err)
	}
	if _, err := Create("-", Rotation{Size: 1}, Section{}, nil, new(bytes.Buffer)); err == nil {
		t.Error("standard output rotates")
	}
	var out bytes.Buffer
	f, err := Create("-", Rotation{}, Section{}, []Interface{{Link: 1}}, &out)
	must(t, err)
	must(t, f.Packet(Packet{Time: 1, Data: []byte("x")}))
	must(t, f.Close())
	if got, _ := readBytes(out.Bytes()); len(got) != 1 {
		t.Errorf("%q", got)
	}
}
