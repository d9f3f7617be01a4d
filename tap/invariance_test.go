package tap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode/tls"
	"github.com/pitot-io/pitot/internal/builtin"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
	"github.com/pitot-io/pitot/tap"
	"github.com/pitot-io/pitot/tap/packet"
	"github.com/pitot-io/pitot/tap/pcapfile"
)

// segments are a capture's TCP segments, without times: position i is tick i.
func segments(t *testing.T, file string) (all []packet.Segment) {
	t.Helper()
	r, err := pcapfile.Open(file, nil, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := packet.NewParser(packet.DefaultLimits())
	var rec pcapfile.Record
	for r.Next(&rec) == nil {
		var s packet.Segment
		if p.Parse(rec.Link, rec.Time, rec.Data, rec.Wire, &s) {
			s.Payload = bytes.Clone(s.Payload)
			all = append(all, s)
		}
	}
	return all
}

// capture writes segments as raw IP packets, a tick of 1 us apart: nothing waits
// long enough for the capture's clock to matter.
func capture(all []packet.Segment) []byte {
	t := newTape()
	for i, s := range all {
		b := ipHeader(&s)
		b = binary.BigEndian.AppendUint16(b, s.Src.Port)
		b = binary.BigEndian.AppendUint16(b, s.Dst.Port)
		b = binary.BigEndian.AppendUint32(b, s.Seq)
		b = binary.BigEndian.AppendUint32(b, s.Ack)
		b = append(b, 5<<4, s.Flags, 0, 0, 0, 0, 0, 0)
		b = append(b, s.Payload...)
		for _, v := range []int{1_700_000_000 + i/1_000_000, i % 1_000_000 * 1000, len(b), len(b) + s.Missing} {
			t.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
		}
		t.Write(b)
	}
	return t.Bytes()
}

func ipHeader(s *packet.Segment) []byte {
	n := 20 + len(s.Payload) + s.Missing
	if s.Src.Family == 4 {
		// A total length of 0 says that the frame tells it: pieces are up to 64 KiB.
		b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0}
		return append(append(b, s.Src.Addr[:4]...), s.Dst.Addr[:4]...)
	}
	b := []byte{0x60, 0, 0, 0, 0, 0, 6, 64}
	if n < 1<<16 {
		binary.BigEndian.PutUint16(b[4:], uint16(n))
	}
	return append(append(b, s.Src.Addr[:]...), s.Dst.Addr[:]...)
}

// recordedKeys are the key logs beside the captures.
func recordedKeys(t *testing.T) *tls.Keys {
	t.Helper()
	keys := tls.NewKeys(0)
	files, err := filepath.Glob("../testdata/*.keys")
	if err != nil || len(files) == 0 {
		t.Fatalf("no key logs: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Add(b, 1); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// exchanges replays segments.
func exchanges(t *testing.T, all []packet.Segment) []event.Exchange {
	t.Helper()
	protocols, err := builtin.Protocols(builtin.ProtocolOptions{Keys: recordedKeys(t)})
	if err != nil {
		t.Fatal(err)
	}
	r := new(testkit.Recorder)
	o := tap.ReplayOptions{Files: []string{"-"}, Stdin: bytes.NewReader(capture(all)), Protocols: protocols, Workers: 1}
	if _, err := run(t.Context(), o, r); err != nil {
		t.Fatal(err)
	}
	return r.Exchanges
}

// timeless is an exchange without its times and what is made out of them, and
// without the flags given.
func timeless(x event.Exchange, without event.DecodeFlags) string {
	x.Start, x.End = 1, 1
	x.FirstByte = min(x.FirstByte, 1)
	x.SpanID = event.SpanID{}
	if x.ParentID.IsZero() || x.WebSocket != nil {
		x.TraceID = event.TraceID{}
	}
	if w := x.WebSocket; w != nil {
		c := *w
		c.PingRTT = min(c.PingRTT, 1)
		x.WebSocket, x.ParentID = &c, event.SpanID{}
	}
	if x.HTTP2 != nil && x.HTTP2.StreamID == 1 { // after an upgrade its parent is the upgrade's span
		x.TraceID, x.ParentID = event.TraceID{}, event.SpanID{}
	}
	x.Decode &^= without
	return string(x.AppendJSON(nil))
}

func allTimeless(all []event.Exchange, without event.DecodeFlags) []string {
	var lines []string
	for _, x := range all {
		lines = append(lines, timeless(x, without))
	}
	slices.Sort(lines)
	return lines
}

// connection names the connection of s, either direction.
func connection(s *packet.Segment) string {
	a, b := fmt.Sprint(s.Src.AddrPort()), fmt.Sprint(s.Dst.AddrPort())
	return min(a, b) + max(a, b)
}

// cut splits payloads anywhere.
func cut(rnd *rand.Rand, all []packet.Segment) (out []packet.Segment) {
	for _, s := range all {
		for s.Missing == 0 && len(s.Payload) > 1 && s.Flags&packet.SYN == 0 && rnd.IntN(3) > 0 {
			n := 1 + rnd.IntN(len(s.Payload)-1)
			head := s
			head.Payload, head.Flags = s.Payload[:n], s.Flags&^packet.FIN
			out = append(out, head)
			s.Payload, s.Seq = s.Payload[n:], s.Seq+uint32(n)
		}
		out = append(out, s)
	}
	return out
}

// repeat sends some segments again, a little later, and some of them together
// with the one before.
func repeat(rnd *rand.Rand, all []packet.Segment) []packet.Segment {
	var out, again []packet.Segment
	last := map[packet.Endpoint]packet.Segment{}
	for _, s := range all {
		out = append(out, s)
		if before, ok := last[s.Src]; ok && before.Dst == s.Dst && before.Seq+uint32(len(before.Payload)) == s.Seq &&
			len(before.Payload)+len(s.Payload) < 60_000 && s.Missing+before.Missing == 0 && rnd.IntN(6) == 0 {
			both := s
			both.Seq, both.Payload = before.Seq, slices.Concat(before.Payload, s.Payload)
			again = append(again, both)
		}
		if rnd.IntN(6) == 0 && s.Flags&packet.RST == 0 {
			again = append(again, s)
		}
		last[s.Src] = s
		if len(again) > 0 && rnd.IntN(3) == 0 {
			out = append(out, again[0])
			again = again[1:]
		}
	}
	return out
}

// disorder moves some segments back by a few places. What opens or resets a
// connection stays where it is, and the rest on its side of it.
func disorder(rnd *rand.Rand, in []packet.Segment) []packet.Segment {
	all := slices.Clone(in)
	for i := len(all) - 2; i >= 0; i-- {
		if rnd.IntN(4) > 0 || all[i].Flags&(packet.SYN|packet.RST) != 0 {
			continue
		}
		j, who := i, connection(&all[i])
		for range 1 + rnd.IntN(8) {
			if j+1 == len(all) || all[j+1].Flags&(packet.SYN|packet.RST) != 0 && connection(&all[j+1]) == who {
				break
			}
			all[j], all[j+1] = all[j+1], all[j]
			j++
		}
	}
	return all
}

// TestTheSameTrafficGivesTheSameSpans however it was segmented, reordered and
// sent again: every capture of the repository.
func TestTheSameTrafficGivesTheSameSpans(t *testing.T) {
	ways := map[string]func(*rand.Rand, []packet.Segment) []packet.Segment{
		"cut": cut, "repeated": repeat, "in disorder": disorder,
		"all of it": func(rnd *rand.Rand, s []packet.Segment) []packet.Segment {
			return disorder(rnd, repeat(rnd, cut(rnd, s)))
		},
	}
	for _, file := range own(t) {
		plain := segments(t, file)
		want := allTimeless(exchanges(t, plain), event.Reordered)
		if len(want) == 0 {
			t.Errorf("%s: nothing is told", file)
		}
		for name, way := range ways {
			for seed := range uint64(3) {
				got := allTimeless(exchanges(t, way(rand.New(rand.NewPCG(seed, 7)), plain)), event.Reordered)
				if !slices.Equal(got, want) {
					t.Errorf("%s, %s (seed %d):\n%s", filepath.Base(file), name, seed,
						firstDifference([]byte(strings.Join(got, "")), []byte(strings.Join(want, ""))))
					break
				}
			}
		}
	}
}

// hole is what was lost of one direction of a connection.
type hole struct {
	src, dst packet.Endpoint
	from, to uint32
}

// lose drops one in a hundred of the segments with bytes, at least one.
func lose(rnd *rand.Rand, all []packet.Segment) (out []packet.Segment, lost []hole) {
	var with []int
	for i, s := range all {
		if len(s.Payload) > 0 {
			with = append(with, i)
		}
	}
	drop := map[int]bool{}
	for range (len(with) + 99) / 100 {
		drop[with[rnd.IntN(len(with))]] = true
	}
	for i, s := range all {
		if drop[i] {
			lost = append(lost, hole{s.Src, s.Dst, s.Seq, s.Seq + uint32(len(s.Payload))})
		} else {
			out = append(out, s)
		}
	}
	return out, lost
}

// touched reports whether x lacks bytes.
func touched(x *event.Exchange, lost []hole) bool {
	return slices.ContainsFunc(lost, func(h hole) bool {
		within := func(seq uint32, n int64) bool {
			return n > 0 && int32(h.to-seq) > 0 && int64(int32(h.from-seq)) < n
		}
		src, dst := h.src.AddrPort(), h.dst.AddrPort()
		up, down := src == x.Client && dst == x.Server, src == x.Server && dst == x.Client
		seq, n := x.RequestSeq, x.RequestBytes
		if down {
			seq, n = x.ResponseSeq, x.ResponseBytes
		}
		switch {
		case !up && !down:
			return false
		case x.Protocol == event.TCP, x.WebSocket != nil: // a session, which stands on its handshake too
			return true
		case x.HTTP2 != nil: // its bytes lie among those of others
			return within(seq, 64*n)
		}
		return within(seq, n)
	})
}

// unsure names a stream of HTTP/2 of which fields may be unknown, because the
// table that they refer to was lost with other streams' bytes.
func unsure(x *event.Exchange) string {
	if x.HTTP2 == nil {
		return ""
	}
	return fmt.Sprintf("stream %d of connection %d: %d bytes up", x.HTTP2.StreamID, x.Stream, x.RequestBytes)
}

// TestALostSegmentCostsWhatItTouched: 1 % of the segments with bytes is lost.
// Other connections tell the same to the byte; on the same connection 9 of 10
// exchanges that lack nothing are told as ever, or, on HTTP/2, as ones of which
// some fields are unknown; what stands on an upgrade that lacks bytes goes with it; what is told otherwise says so.
func TestALostSegmentCostsWhatItTouched(t *testing.T) {
	const flags = event.MidStream | event.RequestGap | event.ResponseGap | event.HPACKUnsure | event.BodyCut |
		event.NoResponse | event.NoRequest | event.Guessed | event.Reordered | event.Truncated | event.Undecoded
	for _, file := range own(t) {
		plain := segments(t, file)
		want := exchanges(t, plain)
		whole, survived := 0, 0
		for seed := range uint64(12) {
			rest, lost := lose(rand.New(rand.NewPCG(seed, 11)), plain)
			hit := map[string]bool{}
			for _, h := range lost {
				hit[connection(&packet.Segment{Src: h.src, Dst: h.dst})] = true
			}
			told, known := map[string]int{}, map[string]bool{}
			for _, x := range exchanges(t, rest) {
				told[timeless(x, flags)]++
				if x.Decode&event.HPACKUnsure != 0 {
					told[unsure(&x)]++
				}
				cursor := x.Mongo != nil && x.Mongo.Operation == "getMore" // told by what may be lost
				if x.Decode&flags == 0 && !cursor {
					known[timeless(x, flags)] = true
				}
			}
			lostUpgrade := map[int64]bool{} // whose connections are read as HTTP/1 to their end
			for i := range want {
				if x := &want[i]; x.HTTP != nil && x.HTTP.Upgrade != "" && touched(x, lost) {
					lostUpgrade[x.Stream] = true
				}
			}
			for i := range want {
				x := &want[i]
				line := timeless(*x, flags)
				delete(known, line)
				if told[line] == 0 && x.HTTP2 != nil {
					line = unsure(x)
				}
				ok := told[line] > 0
				if ok {
					told[line]--
				}
				a, b := x.Client.String(), x.Server.String()
				switch {
				case !hit[min(a, b)+max(a, b)]:
					if !ok {
						t.Errorf("%s (seed %d): another connection is damaged: %s", file, seed, line)
					}
				case !touched(x, lost) && !lostUpgrade[x.Stream]:
					whole++
					if ok {
						survived++
					}
				}
			}
			for line := range known {
				t.Errorf("%s (seed %d): is told without a flag, and was not told before: %s", file, seed, line)
			}
		}
		t.Logf("%s: %d of %d untouched exchanges survived", filepath.Base(file), survived, whole)
		if survived*10 < whole*9 {
			t.Errorf("%s: %d of %d untouched exchanges survived", file, survived, whole)
		}
	}
}
