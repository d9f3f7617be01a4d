package tap

import (
	"math"
	"path/filepath"
	"strconv"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/pcapfile"
	"github.com/pitot-io/pitot/tap/reassembly"
)

// remark is a comment that a file carries, with the file's name.
type remark struct {
	file string
	pcapfile.Comment
}

// remarks tells the comments that came with the packet at hand, which is of
// connection c, or of none that is followed.
func (p *Replay) remarks(at int64, s *source, c *reassembly.Conn) {
	for _, comment := range s.record.Comments {
		n := notice(at, remark{s.file.Name(), comment})
		stream := int64(-1)
		if comment.On == pcapfile.OnPacket {
			n.Attributes = append(n.Attributes, event.KeyValue{Key: "packet", Value: strconv.FormatUint(p.sum.Packets, 10)})
			if c != nil {
				stream = c.Number
				n.Attributes = append(n.Attributes, event.KeyValue{Key: "client", Value: c.Client.String()},
					event.KeyValue{Key: "server", Value: c.Server.String()}, event.KeyValue{Key: "tcp_stream", Value: strconv.FormatInt(stream, 10)})
			}
		}
		p.line.remark(n, stream)
	}
}

func notice(at int64, r remark) *event.Notice {
	return &event.Notice{Time: at, Name: event.EventComment, Severity: event.Info, Body: r.Text, Attributes: []event.KeyValue{
		{Key: "on", Value: r.On}, {Key: "file", Value: filepath.Base(r.file)},
	}}
}

// ended notes what is left to tell of a file that has no more packets.
func (p *Replay) ended(s *source) {
	for _, c := range s.record.Comments {
		p.late = append(p.late, remark{s.file.Name(), c})
	}
	if n := s.file.Comments() - p.Limits.File.Comments; n > 0 {
		p.sum.Untold += uint64(n)
	}
}

// lastRemarks tells the comments behind the last packets of the files.
func (p *Replay) lastRemarks() {
	for _, r := range p.late {
		p.line.remark(notice(p.sum.Last, r), -1)
	}
	p.late = nil
}

// remark tells n at its place: before what else becomes known of its connection
// by the same packet.
func (l *line) remark(n *event.Notice, stream int64) {
	if l.watched {
		l.order.notice(n)
		return
	}
	r := l.round
	if r.written == nil || r.written.Full() {
		r.written = l.order.batches.take()
	}
	r.written.Notice(n)
	r.written.left++
	r.remarks = append(r.remarks, entry{
		key: n.Time, stream: stream, ordinal: math.MinInt32 + int32(len(r.remarks)), index: int32(len(r.written.Notices) - 1), notice: true, batch: r.written,
	})
}
