package decode_test

import (
	"testing"

	"github.com/pitot-io/pitot/decode"
)

// The dump shows a message's first bytes however long it is and however it
// comes, and never those of another.
func TestTail(t *testing.T) {
	stream := make([]byte, 40<<10)
	for i := range stream {
		stream[i] = byte(i * 7 / 5)
	}
	for _, size := range []int{1, 3, 100, 300, 5000, 9000} {
		for _, step := range []int{1, 50, 1448, 20000} {
			var tl decode.Tail
			told := 0
			for at := 0; at < len(stream); at += step {
				tl.Add(int64(at), stream[at:min(len(stream), at+step)])
				for told+size <= min(len(stream), at+step) {
					got := tl.Take(int64(told), int64(size))
					if want := stream[told : told+min(size, decode.TailShown)]; string(got) != string(want) {
						t.Fatalf("messages of %d in steps of %d: at %d %d bytes, want %d", size, step, told, len(got), len(want))
					}
					told += size
				}
			}
		}
	}
}
