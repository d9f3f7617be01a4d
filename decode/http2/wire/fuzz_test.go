package wire

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// FuzzDecode: what golang.org/x/net reads, this reads alike, block after block
// on one table; what it refuses, this refuses. A decoder that joined late says
// the same, or that it does not know.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x3f\xe1\x1f\x82\x41\x8a\xa0\xe4\x1d\x13\x9d\x09\xb8\xf3\xcf\x3d"), []byte("\x20\xbe"))
	f.Add([]byte("\x40\x01a\x01b\x0f\x2f\x01c"), []byte("\xbe\xbf\x7f\x00\x01z"))
	_, blocks := requests(2)
	f.Add(blocks[0], blocks[1])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		ours, late := NewDecoder(Strict, roomy), NewDecoder(Late, roomy)
		late.Forget()
		theirs := hpack.NewDecoder(DefaultTableSize, nil)
		var got, dim Section
		for i, block := range [][]byte{a, b, a} {
			want, err := theirs.DecodeFull(block)
			mine := ours.Decode(block, &got)
			lateErr := late.Decode(block, &dim)
			switch {
			case err != nil && mine == nil && strings.Contains(err.Error(), "table size update MUST"):
				return // it refuses the second of two, which RFC 7541, 4.2 asks for
			case err == nil && errors.Is(mine, errUpdatePlace):
				return // it takes one after a field while its table is empty
			case (err == nil) != (mine == nil):
				t.Fatalf("block %d: %v; golang.org/x/net: %v", i, mine, err)
			case err != nil:
				return
			case i > 0 && lateErr != nil:
				t.Fatalf("block %d, joined late: %v", i, lateErr)
			}
			same(t, want, got.Fields, false)
			if n := ours.table; n.size > DefaultTableSize || n.n*entryOverhead > n.size || cap(n.text) > 2*(DefaultTableSize+len(block)) {
				t.Fatalf("a table of %d bytes has %d entries and takes %d", n.size, n.n, cap(n.text))
			}
			if lateErr == nil {
				same(t, want, dim.Fields, true)
			}
		}
	})
}

func same(t *testing.T, want []hpack.HeaderField, got []Field, late bool) {
	if len(got) != len(want) {
		t.Fatalf("%d fields %v, want %d", len(got), got, len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Name != w.Name && !(late && g.Name == Unknown) || g.Value != w.Value && !(late && g.Value == Unknown) || g.Sensitive != w.Sensitive && !late {
			t.Fatalf("field %d is %+v, want %+v (joined late: %v)", i, g, w, late)
		}
		if !late && g.Role != RoleOf(w.Name) {
			t.Fatalf("field %d has role %d: %+v", i, g.Role, w)
		}
	}
}

// FuzzEncode: what this writes, golang.org/x/net and this read as it was.
func FuzzEncode(f *testing.F) {
	f.Add("a: b\n:path: /x\ncookie: y\n\na: b\n:path: /x", uint16(4096), uint16(100))
	f.Add("x-request-id: 1\n\nx-request-id: 2\n\nx: "+strings.Repeat("y", 200), uint16(128), uint16(0))
	f.Fuzz(func(t *testing.T, text string, limit, size uint16) {
		p := newEnds(int(limit))
		for i, block := range strings.Split(text, "\n\n") {
			if i%4 == 2 {
				p.resize(uint32(size))
			}
			if i%4 == 3 {
				p.resize(uint32(size) / 3)
				p.resize(uint32(size) * 2)
			}
			var fields []Field
			for _, line := range strings.Split(block, "\n") {
				name, value, _ := strings.Cut(line, ": ")
				fields = append(fields, Field{Name: name, Value: value})
			}
			if _, err := p.send(fields); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzHuffman: both ways with golang.org/x/net, and what it refuses is refused.
func FuzzHuffman(f *testing.F) {
	f.Add([]byte("www.example.com"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := appendHuffman(nil, string(b)); string(got) != string(hpack.AppendHuffmanString(nil, string(b))) || len(got) != huffmanSize(string(b)) {
			t.Fatalf("%q is written as %x", b, got)
		}
		want, err := hpack.HuffmanDecodeToString(b)
		if got, ok := AppendUnhuffman([]byte("x"), b); ok != (err == nil) || ok && string(got) != "x"+want {
			t.Fatalf("%x is %q, %v; want %q, %v", b, got, ok, want, err)
		}
	})
}
