package pcapfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Rotation says when a new file is begun and how many are kept. What is zero is
// no limit; with no limit at all there is one file, under its own name.
type Rotation struct {
	Size  int64         // bytes of a file
	Every time.Duration // from the first packet of a file, on the packets' clock
	Keep  int           // files; older ones are removed
}

func (r Rotation) any() bool { return r != (Rotation{}) }

// Files writes packets to one file after another. It is for one goroutine.
type Files struct {
	name     string
	rotation Rotation
	section  Section
	ifs      []Interface

	file   io.WriteCloser
	w      *Writer
	number int
	begun  int64 // time of the first packet of the file; 0 before it
	kept   []string
	keys   [][]byte // to be written before the next packet
}

// Create opens the first file, so that a name that cannot be written is told
// at once. Rotated files are called FILE-00001-YYYYMMDDhhmmss.pcapng, where FILE
// is name without .pcapng; "-" is stdout.
func Create(name string, r Rotation, s Section, ifs []Interface, stdout io.Writer) (*Files, error) {
	f := &Files{name: name, rotation: r, section: s, ifs: ifs}
	if name != "-" {
		return f, f.open(time.Now().UnixNano())
	}
	if r.any() {
		return nil, errors.New("standard output cannot be rotated; name a file")
	}
	f.file = unowned{stdout}
	return f, f.start()
}

// unowned is a writer that is not ours to close.
type unowned struct{ io.Writer }

func (unowned) Close() error { return nil }

// open begins a file whose first packet is of the time at.
func (f *Files) open(at int64) error {
	name := f.name
	f.number++
	if f.rotation.any() {
		stamp := time.Unix(0, at).UTC().Format("20060102150405")
		name = fmt.Sprintf("%s-%05d-%s.pcapng", strings.TrimSuffix(f.name, ".pcapng"), f.number, stamp)
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // traffic is nobody else's
	if err != nil {
		return err
	}
	f.file, f.begun = file, 0
	f.kept = append(f.kept, name)
	return errors.Join(f.start(), f.tidy())
}

// start writes what every file begins with.
func (f *Files) start() error {
	f.w = NewWriter(f.file, f.section)
	for _, i := range f.ifs {
		if _, err := f.w.AddInterface(i); err != nil {
			return err
		}
	}
	return f.w.Flush()
}

// tidy removes the files that are not to be kept.
func (f *Files) tidy() (err error) {
	for f.rotation.Keep > 0 && len(f.kept) > f.rotation.Keep {
		if e := os.Remove(f.kept[0]); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = e
		}
		f.kept = f.kept[1:]
	}
	return err
}

// Packet writes p, to a new file where it is time for one.
func (f *Files) Packet(p Packet) error {
	if f.begun == 0 {
		f.begun = p.Time
	}
	if f.due(p.Time) {
		if err := errors.Join(f.closeFile(), f.open(p.Time)); err != nil {
			return err
		}
		f.begun = p.Time
	}
	for _, b := range f.keys {
		if err := f.w.Secrets(SecretsTLS, b); err != nil {
			return err
		}
	}
	f.keys = f.keys[:0]
	return f.w.Packet(p)
}

// Secrets has the text of a key log written before the next packet, to the file
// that this packet is written to.
func (f *Files) Secrets(keylog []byte) { f.keys = append(f.keys, bytes.Clone(keylog)) }

func (f *Files) due(at int64) bool {
	r := f.rotation
	return r.Size > 0 && f.w.Size() >= r.Size || r.Every > 0 && at-f.begun >= int64(r.Every)
}

// Statistics writes the same for every interface: they were counted together.
func (f *Files) Statistics(at int64, received, dropped uint64, comment string) error {
	for i := range f.ifs {
		if err := f.w.Statistics(i, at, received, dropped, comment); err != nil {
			return err
		}
	}
	return nil
}

// Flush writes what is collected.
func (f *Files) Flush() error { return f.w.Flush() }

// Close ends the last file.
func (f *Files) Close() error { return f.closeFile() }

func (f *Files) closeFile() error { return errors.Join(f.w.Flush(), f.file.Close()) }
