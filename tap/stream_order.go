package tap

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/reassembly"
)

// maxDisorder is how many places of one direction are remembered whose bytes
// came out of their turn: an exchange is rarely longer than its latest ones.
const maxDisorder = 8

// span is a range of sequence numbers; to is behind it.
type span struct{ from, to uint32 }

// inOrder marks the exchanges whose bytes came out of order, on their way out.
type inOrder struct {
	out    event.Emitter
	client netip.AddrPort
	places [2][]span
}

// Reordered remembers that n bytes from seq on came out of their turn.
func (s *stream) Reordered(d event.Dir, seq uint32, n int) {
	all := s.order.places[d]
	to := seq + uint32(n)
	switch k := len(all); {
	case k > 0 && all[k-1].to == seq:
		all[k-1].to = to
		return
	case k == maxDisorder:
		copy(all, all[1:])
		all = all[:k-1]
	}
	s.order.places[d] = append(all, span{seq, to})
}

func (o *inOrder) Notice(n *event.Notice) { o.out.Notice(n) }

func (o *inOrder) Exchange(x *event.Exchange) {
	if len(o.places[0])+len(o.places[1]) > 0 {
		up := event.ToServer
		if x.Client != o.client { // the sides had been taken the wrong way round
			up = event.ToClient
		}
		if o.touch(up, x.RequestSeq, x.RequestBytes, x) || o.touch(up.Other(), x.ResponseSeq, x.ResponseBytes, x) {
			x.Decode |= event.Reordered
		}
	}
	o.out.Exchange(x)
}

// touch reports whether a half of x, n bytes from seq on in direction d, has
// bytes that came out of order. What shares its connection with others is
// touched by everything since it began; what nobody understood by anything.
func (o *inOrder) touch(d event.Dir, seq uint32, n int64, x *event.Exchange) bool {
	shared := x.HTTP2 != nil || x.WebSocket != nil
	for _, p := range o.places[d] {
		begun := int32(p.to-seq) > 0
		ended := int64(int32(p.from-seq)) >= n
		if x.Protocol == event.TCP || n > 0 && begun && (shared || !ended) {
			return true
		}
	}
	return false
}

// Overlap tells both readings of a place.
func (s *stream) Overlap(at int64, o *reassembly.Overlap) {
	kept, why := "first", "the one that came first was believed"
	switch {
	case o.Over:
		why = "the first had been decoded already"
	case o.Last:
		kept, why = "last", "the one that came last was believed"
	}
	s.notice(at, event.EventOverlap, event.Warn, "two segments tell different bytes for the same place; "+why,
		event.KeyValue{Key: "direction", Value: o.Dir.String()},
		event.KeyValue{Key: "offset", Value: strconv.FormatUint(uint64(o.Offset), 10)},
		event.KeyValue{Key: "sequence", Value: strconv.FormatUint(uint64(o.Seq), 10)},
		event.KeyValue{Key: "length", Value: strconv.Itoa(o.Length)},
		event.KeyValue{Key: "first", Value: hex.EncodeToString(o.First)},
		event.KeyValue{Key: "last", Value: hex.EncodeToString(o.Second)},
		event.KeyValue{Key: "kept", Value: kept})
}

// Reset tells who reset the connection.
func (s *stream) Reset(at int64, r *reassembly.Reset) {
	by, severity := "client", event.Info
	if r.By == event.ToClient {
		by = "server"
	}
	body := fmt.Sprintf("the %s reset the connection", by)
	if !r.Believed {
		severity, body = event.Warn, fmt.Sprintf("a reset in the name of the %s was not believed: its sequence number is far from the connection's", by)
	}
	s.notice(at, event.EventReset, severity, body,
		event.KeyValue{Key: "by", Value: by}, event.KeyValue{Key: "sequence", Value: r.Sequence},
		event.KeyValue{Key: "believed", Value: strconv.FormatBool(r.Believed)})
}
