// Package testkit holds what tests of several packages share.
package testkit

import (
	"strings"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Recorder is an Emitter that keeps copies.
type Recorder struct{ event.Batch }

// JSON is everything recorded as JSON Lines, exchanges first.
func (r *Recorder) JSON() string {
	var b []byte
	for i := range r.Exchanges {
		b = r.Exchanges[i].AppendJSON(b)
	}
	for i := range r.Notices {
		b = r.Notices[i].AppendJSON(b)
	}
	return string(b)
}

// Piece is one direction's bytes in a scripted conversation.
type Piece struct {
	Dir   event.Dir
	Bytes []byte
}

// C and S are pieces from the client and from the server.
func C(s string) Piece { return Piece{event.ToServer, []byte(s)} }
func S(s string) Piece { return Piece{event.ToClient, []byte(s)} }

// Play feeds the pieces to d, one tick of 1 ms apart, every piece in chunks of
// at most chunk bytes (0: whole), and closes. Bytes are handed over in a buffer
// that is overwritten afterwards, so that a decoder which keeps them is caught.
func Play(d decode.Decoder, chunk int, pieces ...Piece) *Recorder {
	return PlayCut(d, func(n int) []int {
		if chunk <= 0 {
			return nil
		}
		var cuts []int
		for at := chunk; at < n; at += chunk {
			cuts = append(cuts, at)
		}
		return cuts
	}, pieces...)
}

// PlayCut is Play with the places to cut at chosen by cuts(length of a piece).
func PlayCut(d decode.Decoder, cuts func(n int) []int, pieces ...Piece) *Recorder {
	r := new(Recorder)
	at := int64(1_000_000_000)
	for _, p := range pieces {
		from := 0
		for _, to := range append(cuts(len(p.Bytes)), len(p.Bytes)) {
			if err := feedLent(d, p.Dir, at, p.Bytes[from:to], r); err != nil {
				r.Notice(&event.Notice{Time: at, Name: event.EventDecodeFailure, Body: err.Error()})
				d.Close(at, r)
				return r
			}
			from = to
		}
		at += 1_000_000
	}
	d.End(event.ToServer, at, r)
	d.End(event.ToClient, at, r)
	d.Close(at, r)
	return r
}

func feedLent(d decode.Decoder, dir event.Dir, at int64, b []byte, r *Recorder) error {
	lent := append([]byte(nil), b...)
	err := d.Feed(dir, at, lent, r)
	for i := range lent {
		lent[i] = 0xAA
	}
	return err
}

// EverySplit plays the pieces whole, then cut in two at every offset, then byte
// by byte, and calls differ with the first result that is not the same.
func EverySplit(fresh func() decode.Decoder, differ func(cut int, want, got string), pieces ...Piece) {
	want := Play(fresh(), 0, pieces...).JSON()
	longest := 0
	for _, p := range pieces {
		longest = max(longest, len(p.Bytes))
	}
	for cut := 1; cut < longest; cut++ {
		got := PlayCut(fresh(), func(n int) []int {
			if cut < n {
				return []int{cut}
			}
			return nil
		}, pieces...).JSON()
		if got != want {
			differ(cut, want, got)
			return
		}
	}
	if got := Play(fresh(), 1, pieces...).JSON(); got != want {
		differ(-1, want, got)
	}
}

// Lines are the non-empty lines of s.
func Lines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
}
