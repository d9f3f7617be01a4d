package live

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/tap/pcapfile"
	"github.com/pitot-io/pitot/tap/pcapfilter"
)

const (
	chunkSize = 256 << 10 // bytes of packets that go to the writer at once
	// recordQueue is how many chunks may wait to be written: 16 MiB.
	recordQueue = 64
	// handOnEvery is how long packets wait in a chunk that does not fill, in
	// nanoseconds.
	handOnEvery = 100e6
	// flushEvery is how often the file gets what was written.
	flushEvery = time.Second
)

// RecordOptions say where packets are written.
type RecordOptions struct {
	File        string // - is Stdout
	Rotation    pcapfile.Rotation
	Application string // who writes
	Stdout      io.Writer

	// Secrets, where set, appends to b the lines of a key log that decrypt what
	// was decoded since it was called last. They are written before it.
	Secrets func(b []byte) []byte
}

// Recorder writes what a capture sees, in order of time. It never makes the
// capture wait: what comes while its queue is full is dropped and counted.
type Recorder struct {
	o       RecordOptions
	section pcapfile.Section
	ifs     []pcapfile.Interface
	numbers map[int]int // of interfaces in the file, by their index

	files   *pcapfile.Files
	lanes   []*lane
	filled  chan *chunk
	free    chan *chunk
	dropped atomic.Uint64
	written atomic.Uint64
	done    sync.WaitGroup
	err     error // of the writing; read after done
}

// NewRecorder is for one capture.
func NewRecorder(o RecordOptions) *Recorder {
	r := &Recorder{
		o: o, section: pcapfile.Section{Application: o.Application, System: runtime.GOOS},
		filled: make(chan *chunk, recordQueue), free: make(chan *chunk, recordQueue),
	}
	for range recordQueue {
		r.free <- new(chunk)
	}
	return r
}

// Dropped is how many packets were not written.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() }

// Written is how many packets were.
func (r *Recorder) Written() uint64 { return r.written.Load() }

// chunk is packets of one lane, in order of time.
type chunk struct {
	lane    int
	reached int64 // all packets of the lane before this time are in this chunk or one before
	packets []noted
	next    int // of packets, to be written
	bytes   []byte
	last    bool
}

func (c *chunk) empty() bool { return c.next == len(c.packets) }

// time is that of the packet to be written next.
func (c *chunk) time() int64 { return c.packets[c.next].time }

func (c *chunk) clear() { c.packets, c.bytes, c.next = c.packets[:0], c.bytes[:0], 0 }

// noted is a packet whose bytes lie in a chunk.
type noted struct {
	time      int64
	from, to  int
	wire      int
	ifindex   int
	direction uint8
}

// lane takes the packets of one worker.
type lane struct {
	r       *Recorder
	number  int
	chunk   *chunk // nil while there is none to fill
	handed  int64  // the time reached when a chunk was handed on last
	reading []*chunk
	known   int64 // of reading: the time reached
}

func (r *Recorder) lane(number int) *lane {
	l := &lane{r: r, number: number}
	r.lanes = append(r.lanes, l)
	return l
}

// packet takes a copy of a packet.
func (l *lane) packet(f *frame) {
	if !l.filling() {
		l.r.dropped.Add(1)
		return
	}
	c := l.chunk
	from := len(c.bytes)
	c.bytes = append(c.bytes, f.data...)
	c.packets = append(c.packets, noted{f.time, from, len(c.bytes), f.wire, f.ifindex, f.direction})
	if len(c.bytes) >= chunkSize {
		l.hand(f.time, false)
	}
}

// filling reports whether there is a chunk to fill.
func (l *lane) filling() bool {
	if l.chunk == nil {
		select {
		case l.chunk = <-l.r.free:
			l.chunk.clear()
		default:
		}
	}
	return l.chunk != nil
}

// reached says that packets to come are not from before that time.
func (l *lane) reached(at int64) {
	if at-l.handed >= handOnEvery {
		l.hand(at, false)
	}
}

// hand gives the chunk to the writer. There is always room: there are no more
// chunks than the queue takes.
func (l *lane) hand(at int64, last bool) {
	if !l.filling() {
		return
	}
	l.handed = at
	l.chunk.lane, l.chunk.reached, l.chunk.last = l.number, at, last
	l.r.filled <- l.chunk
	l.chunk = nil
}

// end hands on what is left. Here alone a worker waits for the writer.
func (l *lane) end() {
	if !l.filling() {
		l.chunk = <-l.r.free
		l.chunk.clear()
	}
	l.hand(math.MaxInt64, true)
}

// create opens the file, for packets of those interfaces.
func (r *Recorder) create(about description, o *Options) (err error) {
	link := uint16(pcapfilter.LinkEthernet)
	if about.cooked {
		link = pcapfilter.LinkSLL2
	}
	r.numbers = map[int]int{}
	for i, name := range about.names {
		r.numbers[about.indexes[i]] = i
		r.ifs = append(r.ifs, pcapfile.Interface{Link: link, SnapLen: uint32(o.SnapLen), Name: name, Filter: o.Filter.String()})
	}
	r.files, err = pcapfile.Create(r.o.File, r.o.Rotation, r.section, r.ifs, r.o.Stdout)
	if err != nil {
		return fmt.Errorf("--write: %w", err)
	}
	return nil
}

// run begins to write; it ends when every lane has.
func (r *Recorder) run() { r.done.Go(func() { r.write(r.files) }) }

// wait waits until everything is written.
func (r *Recorder) wait() error {
	r.done.Wait()
	return r.err
}

// write merges the lanes into the files until all have ended. After an error it
// goes on taking chunks, so that lanes can end, and counts their packets.
func (r *Recorder) write(files *pcapfile.Files) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for open := len(r.lanes); open > 0; {
		select {
		case c := <-r.filled:
			l := r.lanes[c.lane]
			l.reading, l.known = append(l.reading, c), c.reached
			if c.last {
				open--
			}
			r.secrets(files)
			r.merge(files, open > 0)
		case <-tick.C:
			r.fail(files.Flush())
		}
	}
	r.merge(files, false)
	r.fail(files.Statistics(time.Now().UnixNano(), r.written.Load()+r.dropped.Load(), r.dropped.Load(), "packets that pitot captured, and of them those that it could not write"))
	r.fail(files.Close())
}

// secrets writes what was needed to decode the packets that come now: workers
// decode a packet before they hand it on.
func (r *Recorder) secrets(files *pcapfile.Files) {
	if r.o.Secrets == nil {
		return
	}
	for b := r.o.Secrets(nil); len(b) > 0; b = r.o.Secrets(b[:0]) {
		if r.err == nil {
			files.Secrets(b)
		}
	}
}

func (r *Recorder) fail(err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("--write: %w", err)
	}
}

// merge writes the packets before which nothing can come any more: of every
// lane it is known what time it has reached. When most chunks wait for a lane
// from which nothing comes, order gives way.
func (r *Recorder) merge(files *pcapfile.Files, more bool) {
	for {
		first := r.first()
		if first == nil {
			return
		}
		c := first.reading[0]
		if more && c.time() > r.safe() && (len(r.filled) > 0 || len(r.free) > recordQueue/4) {
			return
		}
		r.record(files, c, &c.packets[c.next])
		c.next++
	}
}

// first is the lane with the earliest packet; chunks that are used up go back.
func (r *Recorder) first() (first *lane) {
	for _, l := range r.lanes {
		for len(l.reading) > 0 && l.reading[0].empty() {
			r.free <- l.reading[0]
			l.reading = slices.Delete(l.reading, 0, 1)
		}
		if len(l.reading) > 0 && (first == nil || l.reading[0].time() < first.reading[0].time()) {
			first = l
		}
	}
	return first
}

// safe is the time that every lane has reached.
func (r *Recorder) safe() int64 {
	at := int64(math.MaxInt64)
	for _, l := range r.lanes {
		if len(l.reading) == 0 {
			at = min(at, l.known)
		}
	}
	return at
}

func (r *Recorder) record(files *pcapfile.Files, c *chunk, p *noted) {
	if r.err != nil {
		r.dropped.Add(1)
		return
	}
	err := files.Packet(pcapfile.Packet{
		Interface: r.numbers[p.ifindex], Time: p.time, Wire: p.wire, Data: c.bytes[p.from:p.to], Direction: pcapfile.Direction(p.direction),
	})
	if err != nil {
		r.dropped.Add(1)
		r.fail(err)
		return
	}
	r.written.Add(1)
}
