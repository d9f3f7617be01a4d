package pcapfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
)

// commented has a comment on everything that can have one, and two on a packet.
func commented(o binary.AppendByteOrder) []byte {
	n := &ng{o: o}
	said := func(texts ...string) (b []byte) {
		for _, s := range texts {
			b = append(append(b, n.u16(1, uint16(len(s)))...), s...)
			b = append(b, make([]byte, -len(s)&3)...)
		}
		return append(b, n.u16(0, 0)...)
	}
	n.block(magicSection, n.u32(byteOrderMagic), n.u16(1, 0), n.u32(1<<32-1, 1<<32-1), said("of the section"))
	n.iface(1, said("of eth0"))
	n.block(blockEnhanced, n.u32(0, 0, 7, 1, 1), []byte("a\x00\x00\x00"), n.u16(2, 4), n.u32(1), said("one", "two, a long one"))
	n.packet(0, 8, "bare")
	n.block(blockPacket, n.u16(0, 0), n.u32(0, 9, 4, 4), []byte("four"), said("of an old packet"))
	n.block(blockStatistics, n.u32(0, 0, 0), said("of counters", "not \xff text"))
	return n.b
}

func comments(t *testing.T, b []byte, l Limits) (told []string, all int) {
	t.Helper()
	r, err := NewReader("x", bytes.NewReader(b), l)
	must(t, err)
	defer r.Close()
	var rec Record
	for number := 1; err == nil; number++ {
		if err = r.Next(&rec); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		for _, c := range rec.Comments {
			told = append(told, fmt.Sprintf("%d %s: %s", number, c.On, c.Text))
		}
	}
	return told, r.Comments()
}

func TestComments(t *testing.T) {
	want := []string{"1 section: of the section", "1 interface: of eth0", "1 packet: one", "1 packet: two, a long one",
		"3 packet: of an old packet", "4 statistics: of counters", "4 statistics: not  text"}
	for _, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		got, all := comments(t, commented(o), DefaultLimits())
		if strings.Join(got, "\n") != strings.Join(want, "\n") || all != len(want) {
			t.Errorf("%v: %d comments, got\n%s\nwant\n%s", o, all, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestCommentsAreBounded: in number and in length.
func TestCommentsAreBounded(t *testing.T) {
	l := DefaultLimits()
	l.Comments, l.Comment = 4, 6
	got, all := comments(t, commented(binary.LittleEndian), l)
	if want := "1 section: of the|1 interface: of eth|1 packet: one|1 packet: two, a"; strings.Join(got, "|") != want || all != 7 {
		t.Errorf("%d comments: %q", all, got)
	}
}
