package live

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pitot-io/pitot/tap/pcapfile"
	"github.com/pitot-io/pitot/tap/pcapfilter"
)

func everything(t *testing.T) *Options {
	t.Helper()
	o := Options{}
	o.fill()
	return &o
}

func frameAt(at int64, n int) *frame {
	return &frame{time: at, link: pcapfilter.LinkEthernet, wire: n, data: make([]byte, n), ifindex: 7, direction: uint8(pcapfile.Outbound)}
}

// times are the packets of a file.
func times(t *testing.T, r io.Reader) (all []int64) {
	t.Helper()
	f, err := pcapfile.NewReader("x", r, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rec pcapfile.Record
	for err = f.Next(&rec); err == nil; err = f.Next(&rec) {
		all = append(all, rec.Time)
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return all
}

// TestRecordsInOrder: what several workers see is one file in order of time.
func TestRecordsInOrder(t *testing.T) {
	var out bytes.Buffer
	r := NewRecorder(RecordOptions{File: "-", Stdout: &out})
	lanes := []*lane{r.lane(0), r.lane(1), r.lane(2)}
	if err := r.create(description{names: []string{"eth0"}, indexes: []int{7}}, everything(t)); err != nil {
		t.Fatal(err)
	}
	r.run()
	rnd := rand.New(rand.NewPCG(1, 2))
	const packets = 2000
	for i := range int64(packets) {
		lanes[rnd.IntN(2)].packet(frameAt(1e18+i*1e6, 60+rnd.IntN(1000)))
		for _, l := range lanes { // also the one on which nothing comes
			l.reached(1e18 + i*1e6)
		}
	}
	for _, l := range lanes {
		l.end()
	}
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	got := times(t, &out)
	if uint64(len(got)) != r.Written() || r.Written()+r.Dropped() != packets || !slices.IsSorted(got) {
		t.Errorf("%d packets in the file, %d written and %d dropped; in order: %v", len(got), r.Written(), r.Dropped(), slices.IsSorted(got))
	}
}

type blocked struct{ on chan struct{} }

func (b blocked) Write(p []byte) (int, error) {
	<-b.on
	return len(p), nil
}

// TestASlowDiskDropsAndCounts: whoever captures does not wait for it.
func TestASlowDiskDropsAndCounts(t *testing.T) {
	on := make(chan struct{}, 1)
	on <- struct{}{} // for the head of the file
	r := NewRecorder(RecordOptions{File: "-", Stdout: blocked{on}})
	l := r.lane(0)
	if err := r.create(description{names: []string{"eth0"}, indexes: []int{7}}, everything(t)); err != nil {
		t.Fatal(err)
	}
	r.run()
	const packets = 40_000
	for i := range int64(packets) {
		l.packet(frameAt(1e18+i, 1000))
	}
	dropped := r.Dropped()
	close(on)
	l.end()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	if dropped < packets/4 || r.Dropped() != dropped || r.Written() != packets-dropped {
		t.Errorf("%d dropped before the disk went on, %d after; %d written of %d", dropped, r.Dropped(), r.Written(), packets)
	}
}

// TestAFullDiskIsTold: the error comes at the end, and the rest is counted.
func TestAFullDiskIsTold(t *testing.T) {
	r := NewRecorder(RecordOptions{File: "-", Stdout: &full{100 << 10}})
	l := r.lane(0)
	if err := r.create(description{names: []string{"eth0"}, indexes: []int{7}}, everything(t)); err != nil {
		t.Fatal(err)
	}
	r.run()
	for i := range int64(1000) {
		l.packet(frameAt(1e18+i, 1000))
	}
	l.end()
	if err := r.wait(); err == nil || err.Error() != "--write: disk full" || r.Dropped() < 800 || r.Dropped()+r.Written() != 1000 {
		t.Errorf("%v; %d dropped, %d written", err, r.Dropped(), r.Written())
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestRecordingRotates(t *testing.T) {
	dir := t.TempDir()
	r := NewRecorder(RecordOptions{File: filepath.Join(dir, "w.pcapng"), Rotation: pcapfile.Rotation{Size: 50 << 10, Keep: 3}})
	l := r.lane(0)
	if err := r.create(description{names: []string{"eth0"}, indexes: []int{7}}, everything(t)); err != nil {
		t.Fatal(err)
	}
	r.run()
	for i := range int64(1000) {
		l.packet(frameAt(time.Now().UnixNano()+i, 1000))
	}
	l.end()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "w-000*-*.pcapng")); len(files) != 3 {
		t.Errorf("%q are left", files)
	}
}

// TestSecretsComeBeforeTheirPackets, in the file that these are written to.
func TestSecretsComeBeforeTheirPackets(t *testing.T) {
	var out bytes.Buffer
	left := []string{"# one\n", "# two\n"}
	r := NewRecorder(RecordOptions{File: "-", Stdout: &out, Secrets: func(b []byte) []byte {
		if len(left) > 0 {
			b = append(b, left[0]...)
			left = left[1:]
		}
		return b
	}})
	l := r.lane(0)
	if err := r.create(description{names: []string{"eth0"}, indexes: []int{7}}, everything(t)); err != nil {
		t.Fatal(err)
	}
	r.run()
	l.packet(frameAt(1e18, 100))
	l.end()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	f, err := pcapfile.NewReader("x", &out, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	said := ""
	f.Secrets = func(b []byte) { said += string(b) }
	var rec pcapfile.Record
	if err := f.Next(&rec); err != nil || said != "# one\n# two\n" {
		t.Errorf("%v: %q before the packet", err, said)
	}
}
