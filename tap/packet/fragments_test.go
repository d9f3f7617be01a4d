package packet

import (
	"fmt"
	"slices"
	"testing"
)

func pieces4(whole []byte, size, id int) (all [][]byte) {
	for at := 0; at < len(whole); at += size {
		end := min(at+size, len(whole))
		more := 0
		if end < len(whole) {
			more = 0x2000
		}
		all = append(all, v4piece(6, whole[at:end], id, more|at/8))
	}
	return all
}

func pieces6(whole []byte, size int) (all [][]byte) {
	for at := 0; at < len(whole); at += size {
		end := min(at+size, len(whole))
		more := 0
		if end < len(whole) {
			more = 1
		}
		all = append(all, v6(44, join([]byte{6, 0}, be16(at|more), []byte{0, 0, 1, 2}, whole[at:end])))
	}
	return all
}

func TestFragmentsInAnyOrder(t *testing.T) {
	for name, all := range map[string][][]byte{"IPv4": pieces4(tcpBytes(), 16, 7), "IPv6": pieces6(tcpBytes(), 16)} {
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {0, 0, 2, 1}} {
			t.Run(fmt.Sprint(name, order), func(t *testing.T) {
				p := NewParser(DefaultLimits())
				var s Segment
				for i, k := range order {
					found := p.Parse(101, 1, all[k], len(all[k]), &s)
					if last := i == len(order)-1; found != last {
						t.Fatalf("piece %d: found %t", i, found)
					}
				}
				check(t, &s, text, 0)
				if len(p.fragments.byKey) != 0 || len(p.fragments.order) != 0 {
					t.Error("something is kept of a whole datagram")
				}
			})
		}
	}
}

// TestOverlappingFragmentsKeepTheFirst: what came first stays.
func TestOverlappingFragmentsKeepTheFirst(t *testing.T) {
	whole := tcpBytes()
	other := slices.Clone(whole)
	for i := 24; i < len(other); i++ {
		other[i] = 'X'
	}
	p := NewParser(DefaultLimits())
	var s Segment
	for _, b := range [][]byte{v4piece(6, whole[24:], 7, 3), v4piece(6, other[16:32], 7, 0x2000|2), v4piece(6, whole[:24], 7, 0x2000)} {
		if p.Parse(101, 1, b, len(b), &s) {
			check(t, &s, text, 0)
			return
		}
	}
	t.Error("the datagram never became whole")
}

func TestFragmentsAreForgotten(t *testing.T) {
	l := DefaultLimits()
	l.Fragments = 4
	p := NewParser(l)
	var s Segment
	for id := range 100 {
		b := pieces4(tcpBytes(), 16, id)[0]
		p.Parse(101, int64(id), b, len(b), &s)
		if len(p.fragments.byKey) > 4 || len(p.fragments.order) > 4 {
			t.Fatalf("%d datagrams wait", len(p.fragments.byKey))
		}
	}
	b := pieces4(tcpBytes(), 16, 999)[0]
	p.Parse(101, 100+l.Wait, b, len(b), &s)
	if n := len(p.fragments.byKey); n != 1 {
		t.Errorf("%d datagrams wait after their time", n)
	}
}
