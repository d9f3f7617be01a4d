package decode_test

import (
	"reflect"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// teller tells a message for every piece, at its offset, and hands over what
// follows the byte '|'.
type teller struct {
	conn   decode.Conn
	offset [2]int64
	next   decode.Decoder
}

func (d *teller) Feed(dir event.Dir, at int64, b []byte, emit event.Emitter) error {
	if d.next != nil {
		return d.next.Feed(dir, at, b, emit)
	}
	d.conn.Inspect(&decode.Message{Dir: dir, Offset: d.offset[dir], Size: int64(len(b))})
	d.offset[dir] += int64(len(b))
	if b[len(b)-1] == '|' {
		d.next = d.conn.Hand(decode.Handover{Offset: d.offset})
	}
	return nil
}
func (d *teller) Gap(event.Dir, int64, int64, event.Emitter) {}
func (d *teller) End(event.Dir, int64, event.Emitter)        {}
func (d *teller) Close(int64, event.Emitter)                 {}

func tellers() []decode.Protocol {
	p := echo()
	p.New = func(c decode.Conn) decode.Decoder { return &teller{conn: c} }
	return []decode.Protocol{p}
}

// Offsets count from the connection's start whoever decodes, and also where
// the sides had been mistaken.
func TestOffsetsOfWhatWasHandedOver(t *testing.T) {
	for _, mid := range []bool{false, true} {
		var got []decode.Message
		c := decode.Conn{MidStream: mid, Limits: decode.DefaultLimits(), Inspect: func(m *decode.Message) { got = append(got, *m) }}
		pieces := []testkit.Piece{testkit.C("ask"), testkit.S("tell|"), testkit.C("ask 2"), testkit.S("tell 3")}
		if mid {
			for i := range pieces {
				pieces[i].Dir = pieces[i].Dir.Other()
			}
		}
		testkit.Play(decode.NewDetector(tellers(), c), 0, pieces...)
		want := []decode.Message{
			{Dir: 0, Offset: 0, Size: 3}, {Dir: 1, Offset: 0, Size: 5}, {Dir: 0, Offset: 3, Size: 5}, {Dir: 1, Offset: 5, Size: 6},
		}
		if len(got) != len(want) {
			t.Fatalf("joined in the middle: %t; got %+v", mid, got)
		}
		for i := range want {
			want[i].Swapped = mid
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("joined in the middle: %t; got %+v, want %+v", mid, got[i], want[i])
			}
		}
	}
}
