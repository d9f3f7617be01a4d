// Package keylog reads the key log that a TLS library writes (SSLKEYLOGFILE),
// and goes on reading what is added to it while the traffic is decoded.
package keylog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/pitot-io/pitot/decode/tls"
)

// maxPending is how much of a line without its end is kept.
const maxPending = 64 << 10

// File is a key log that is followed.
type File struct {
	name string
	keys *tls.Keys
	warn func(error) // told of lines that cannot be read

	mu      sync.Mutex
	file    *os.File
	pending []byte // a line whose end has not been written
	line    int    // number of the next line
	cut     bool   // the line in pending is too long to be one
	failed  bool   // reading failed, which was told
}

// Open reads the key log of that name into keys, and reads what is added to it
// whenever keys miss a connection's secrets. It must be called before keys are
// used. warn is told of lines that cannot be read, which are passed over.
func Open(name string, keys *tls.Keys, warn func(error)) (*File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err // names the file and why
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close() // only read from
		return nil, fmt.Errorf("%s is a directory, and a key log is a file", name)
	}
	f := &File{name: name, keys: keys, warn: warn, file: file, line: 1}
	f.More()
	keys.Miss = f.More
	return f, nil
}

// Close closes the file. Nothing is read from it afterwards.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	file := f.file
	f.file = nil
	if file == nil {
		return nil
	}
	return file.Close()
}

// More reads what was added since the last time.
func (f *File) More() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil || f.failed {
		return
	}
	var buf [32 << 10]byte
	for {
		n, err := f.file.Read(buf[:])
		f.add(buf[:n])
		if n > 0 && err == nil {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			f.failed = true
			f.warn(fmt.Errorf("key log %w", err))
		}
		break
	}
	f.last()
}

// add takes the lines that are whole, and keeps the rest.
func (f *File) add(b []byte) {
	end := bytes.LastIndexByte(b, '\n') + 1
	if end > 0 {
		f.pending = append(f.pending, b[:end]...)
		f.take()
		f.pending, f.cut = f.pending[:0], false
	}
	if rest := b[end:]; len(f.pending)+len(rest) <= maxPending && !f.cut {
		f.pending = append(f.pending, rest...)
	} else {
		f.pending, f.cut = f.pending[:0], true
	}
}

func (f *File) take() {
	if f.cut { // the rest of a line that was too long
		f.pending = f.pending[bytes.IndexByte(f.pending, '\n')+1:]
		f.warn(fmt.Errorf("key log %s: line %d: longer than %d bytes", f.name, f.line, maxPending))
		f.line++
	}
	n, err := f.keys.Add(f.pending, f.line)
	f.line += n
	if err != nil {
		f.warn(fmt.Errorf("key log %s: %w", f.name, err))
	}
}

// last takes the last line, which may lack its end, if it can be read: it is
// read again when it is whole.
func (f *File) last() {
	if len(f.pending) > 0 {
		_, _ = f.keys.Add(f.pending, f.line) // it may be half written
	}
}
