// Package pcapfile reads capture files as a stream: pcap in its four forms and
// pcapng, plain or compressed, of any size. A record is lent to the caller from
// the read buffer, so that reading copies nothing. What it writes is pcapng,
// with times in nanoseconds.
package pcapfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// Limits bound what a file may make us hold.
type Limits struct {
	Packet  int  // bytes captured of one packet; more means a corrupt file
	Window  uint // bytes of memory that a zstd frame may ask for
	Secrets int  // bytes of one block of decryption secrets; a larger one is passed over

	Comments int // of a pcapng file that are handed out
	Comment  int // bytes of one; what is longer is cut
}

// DefaultLimits take libpcap's largest snapshot length, and zstd's own default.
// A block of secrets may hold some ten thousand connections' keys.
func DefaultLimits() Limits {
	return Limits{Packet: 256 << 10, Window: 128 << 20, Secrets: 16 << 20, Comments: 10_000, Comment: 4 << 10}
}

// Record is one packet of a file.
type Record struct {
	Time int64  // nanoseconds since the Unix epoch, at least 1
	Link uint16 // LINKTYPE_ number
	Wire int    // bytes on the wire, at least len(Data)
	Data []byte // what was captured; valid until the next call of Next

	// Interface is where the packet came from. It belongs to the reader and does
	// not change; packets of one interface share it.
	Interface *Interface

	// Comments are those of the packet, behind those of everything between it
	// and the packet before. At the file's end Next leaves the last ones here.
	Comments []Comment
}

// ErrCut marks the error of a file that ends inside a record, as one does whose
// capture was interrupted. All records before it were read.
var ErrCut = errors.New("the file ends inside a record")

// Error is a file that cannot be read, or no further.
type Error struct {
	File   string
	Offset int64 // of the record that could not be read, after decompression
	What   string
	Mend   string
	Err    error // ErrCut, an error of reading, or nil
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: at byte %d: %s", e.File, e.Offset, e.What)
	if e.Mend != "" {
		s += "; " + e.Mend
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// format reads the records of one file format.
type format interface {
	next(r *Reader, rec *Record) error
}

// Reader reads one file.
type Reader struct {
	// Secrets, where set before the first Next, is given the TLS key logs that
	// a pcapng file carries, each before the packets that follow it. The text
	// is valid during the call.
	Secrets func(keylog []byte)

	name   string
	limits Limits
	win    window
	format format
	close  []func() error // last opened first closed
	file   *os.File       // nil where Open opened none
	err    error          // what ended the reading
	size   int64          // of the file; 0 where it is none
	taken  atomic.Int64   // bytes read of it, before decompression
	pause  func()         // called before a read that may take long
}

// Open opens the file of that name; "-" is stdin.
func Open(name string, stdin io.Reader, l Limits) (*Reader, error) {
	if name == "-" {
		return NewReader("stdin", stdin, l)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err // names the file and why
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("%s is a directory; name the capture files in it, for example %s/*.pcap", name, name)
	}
	r, err := NewReader(name, f, l)
	if err != nil {
		f.Close()
		return nil, err
	}
	if info != nil && info.Mode().IsRegular() {
		r.size = info.Size()
	}
	r.file, r.close = f, append(r.close, f.Close)
	return r, nil
}

// NewReader reads from src; name is for messages.
func NewReader(name string, src io.Reader, l Limits) (*Reader, error) {
	r := &Reader{name: name, limits: l}
	r.win.src = counting{r, src}
	if err := r.unpack(); err != nil {
		r.Close()
		return nil, err
	}
	if err := r.detect(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Lend lets the Data of records stay valid beyond the next call of Next, until
// the buffer that holds it was given to give, and its user is done with it:
// take makes another of at least n bytes.
func (r *Reader) Lend(take func(n int) []byte, give func([]byte)) {
	r.win.take, r.win.give = take, give
}

// Pause sets what is called before a read that may take long, because it is of
// a pipe: what was read so far can be seen to first.
func (r *Reader) Pause(f func()) {
	if r.size == 0 {
		r.pause = f
	}
}

// Interrupt ends a read that waits for who writes to a named pipe, and all
// reads after it. It may be called at any time before Close; a regular file is
// read on, as its reads do not wait.
func (r *Reader) Interrupt() {
	if r.file != nil {
		_ = r.file.SetReadDeadline(time.Now()) // refused where reads do not wait
	}
}

// Progress is how many bytes of the file were read, and how many it has; 0
// where that is not known. It may be called at any time.
func (r *Reader) Progress() (taken, size int64) { return r.taken.Load(), r.size }

// counting counts what is read of a file as it lies on disk.
type counting struct {
	r   *Reader
	src io.Reader
}

func (c counting) Read(b []byte) (int, error) {
	if c.r.pause != nil {
		c.r.pause()
	}
	n, err := c.src.Read(b)
	c.r.taken.Add(int64(n))
	return n, err
}

// Name is the file's name as it was given.
func (r *Reader) Name() string { return r.name }

// Close closes the file.
func (r *Reader) Close() error {
	var first error
	for _, f := range r.close {
		if err := f(); err != nil && first == nil {
			first = err
		}
	}
	r.close = nil
	return first
}

// Next reads the next packet into rec. At the end it returns io.EOF, or an
// *Error, whose Err is ErrCut when the file ends inside a record.
func (r *Reader) Next(rec *Record) error {
	if r.err != nil {
		return r.err
	}
	r.err = r.format.next(r, rec)
	rec.Comments = nil
	if f, ok := r.format.(*ngFormat); ok && len(f.comments) > 0 {
		rec.Comments, f.comments = f.comments, nil
	}
	return r.err
}

// Comments is how many comments the file had so far, those beyond the limit
// too.
func (r *Reader) Comments() int {
	if f, ok := r.format.(*ngFormat); ok {
		return f.counted
	}
	return 0
}

const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34 // records with eight more bytes of header
	magicSection  = 0x0a0d0d0a
)

// detect finds the format by the file's first bytes.
func (r *Reader) detect() error {
	head, err := r.win.peek(4)
	if err != nil {
		return r.tooShort(len(head), err)
	}
	if binary.LittleEndian.Uint32(head) == magicSection {
		r.format = new(ngFormat)
		return nil
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(head) {
		case magicMicro, magicNano, magicModified:
			f, err := r.openPcap(order)
			r.format = f
			return err
		}
	}
	return r.corrupt(r.win.offset, "this is no capture file", foreign(head))
}

func (r *Reader) tooShort(n int, err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return r.failed(0, err)
	case n == 0:
		return r.corrupt(0, "the file is empty", "capture again; tcpdump -U writes every packet at once")
	}
	return r.corrupt(0, fmt.Sprintf("the file has only %d bytes, which is no capture", n), "capture again")
}

func (r *Reader) corrupt(at int64, what, mend string) error {
	return &Error{File: r.name, Offset: at, What: what, Mend: mend}
}

func (r *Reader) failed(at int64, err error) error {
	return &Error{File: r.name, Offset: at, What: err.Error(), Mend: "what came before it was read", Err: err}
}

// record says why n more bytes of the record that begins at offset at could
// not be had: the file ended between records, inside one, or reading failed.
func (r *Reader) record(at int64, err error) error {
	switch {
	case errors.Is(err, io.EOF) && r.win.offset == at && r.win.empty():
		return io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{File: r.name, Offset: at, What: ErrCut.Error(), Mend: "everything before it was read", Err: ErrCut}
	}
	return r.failed(at, err)
}
