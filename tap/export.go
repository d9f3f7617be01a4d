package tap

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
	"github.com/pitot-io/pitot/tap/pcapfile"
	"github.com/pitot-io/pitot/tap/reassembly"
)

// Exported says what an Export wrote.
type Exported struct {
	Packets     uint64
	Connections int
}

// Export reads the files of o a second time and writes to w the packets that
// s, which was told the exchanges of the first reading, has chosen: as they
// are, with their times, comments and interfaces. The first packet of an
// exchange has a comment that names it. Key logs that the files carry are
// copied.
func Export(ctx context.Context, o ReplayOptions, s *Selection, w *pcapfile.Writer) (Exported, error) {
	o.Speed, o.Warn, o.Watch = 0, nil, nil
	var wrong error
	o.Secrets = func(keylog []byte) {
		if err := w.Secrets(pcapfile.SecretsTLS, keylog); wrong == nil {
			wrong = err
		}
	}
	s.settle()
	p, err := Until(ctx, func() (*Replay, error) { return OpenReplay(o) })
	if err != nil {
		return Exported{}, err
	}
	defer p.Close()
	e := &export{Replay: p, selection: s, w: w, ifs: make(map[origin]int), seen: make(map[int64]bool)}
	e.conns = reassembly.NewTracker(p.Limits.TCP, &e.counts, func(int64, *reassembly.Conn, bool) {})
	for _, c := range s.conns {
		slices.SortStableFunc(c.marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	}
	err = p.run(ctx, e.packet)
	if err == nil {
		err = wrong
	}
	if flush := w.Flush(); err == nil {
		err = flush
	}
	return Exported{e.written, len(e.seen)}, err
}

// origin is an interface of the output: one of one file.
type origin struct {
	file  int
	about pcapfile.Interface
}

// maxOrigins is how many interfaces are known; when there are more, as in files
// of many sections, they are described anew.
const maxOrigins = 4096

type export struct {
	*Replay
	selection *Selection
	w         *pcapfile.Writer
	conns     *reassembly.Tracker
	counts    reassembly.Counts
	ifs       map[origin]int
	seen      map[int64]bool // connections
	written   uint64
	parts     []fragment
	held      int // bytes in parts
}

// fragment is a packet that waits for the rest of its datagram.
type fragment struct {
	file *source
	rec  pcapfile.Record
}

// Bounds of what waits.
const (
	maxParts     = 256
	maxPartBytes = 4 << 20
)

func (e *export) packet(_ context.Context, src *source) error {
	rec := &src.record
	at := e.clock(rec.Time)
	e.sum.Packets++
	parts, whole := e.parser.Counts.Fragments, e.parser.Counts.Reassembled
	ok := e.parser.Parse(rec.Link, at, rec.Data, rec.Wire, &e.segment)
	if !ok {
		if e.parser.Counts.Fragments > parts {
			e.hold(src)
		}
		return nil
	}
	c, d := e.conns.Find(at, &e.segment)
	sel := e.selection.conns[c.Number]
	if sel == nil || !sel.wants(at, d, &e.segment) {
		return nil
	}
	e.seen[c.Number] = true
	if e.parser.Counts.Reassembled > whole {
		if err := e.release(); err != nil {
			return err
		}
	}
	said := remembered(rec.Comments)
	if len(e.segment.Payload) > 0 {
		said = append(said, sel.comment(at))
	}
	return e.write(src, rec, slices.Compact(said))
}

// wants reports whether a segment is taken. Those that open or end the
// connection always are.
func (c *chosen) wants(at int64, d event.Dir, s *packet.Segment) bool {
	return c.takes(at, d, s.Seq, len(s.Payload)+s.Missing, s.Flags&(packet.SYN|packet.FIN|packet.RST) != 0)
}

// hold keeps a fragment until it is known what it belongs to.
func (e *export) hold(src *source) {
	f := fragment{src, src.record}
	f.rec.Data = slices.Clone(f.rec.Data)
	e.parts, e.held = append(e.parts, f), e.held+len(f.rec.Data)
	for len(e.parts) > maxParts || e.held > maxPartBytes {
		e.held -= len(e.parts[0].rec.Data)
		e.parts = e.parts[1:]
	}
}

// release writes the fragments that wait: those of the datagram that is whole
// now, and perhaps some of others, which harm nobody.
func (e *export) release() error {
	for i := range e.parts {
		if err := e.write(e.parts[i].file, &e.parts[i].rec, remembered(e.parts[i].rec.Comments)); err != nil {
			return err
		}
	}
	e.parts, e.held = nil, 0
	return nil
}

// remembered are the packet's own comments.
func remembered(all []pcapfile.Comment) (said []string) {
	for _, c := range all {
		if c.On == pcapfile.OnPacket {
			said = append(said, c.Text)
		}
	}
	return said
}

func (e *export) write(src *source, rec *pcapfile.Record, comments []string) error {
	number, err := e.number(src, rec.Interface)
	if err != nil {
		return err
	}
	e.written++
	return e.w.Packet(pcapfile.Packet{Interface: number, Time: rec.Time, Wire: rec.Wire, Data: rec.Data, Comments: comments})
}

// number is that of an interface of src in the output, which describes it as
// its file does; one without a name is described by the name of the file.
func (e *export) number(src *source, about *pcapfile.Interface) (int, error) {
	from := origin{src.order, *about}
	if number, known := e.ifs[from]; known {
		return number, nil
	}
	told := *about
	if told.Name == "" && told.Text == "" {
		told.Text = filepath.Base(src.file.Name())
	}
	number, err := e.w.AddInterface(told)
	if len(e.ifs) >= maxOrigins {
		clear(e.ifs)
	}
	e.ifs[from] = number
	return number, err
}
