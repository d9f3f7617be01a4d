package wire

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// Every byte and every pair of neighbours survives the code.
func TestHuffman(t *testing.T) {
	all := make([]byte, 0, 1<<17)
	for a := range 256 {
		for b := range 256 {
			all = append(all, byte(a), byte(b))
		}
	}
	for n := range 64 {
		in := all[n*701 : n*701+n*31]
		coded := appendHuffman(nil, string(in))
		if want := hpack.AppendHuffmanString(nil, string(in)); !bytes.Equal(coded, want) {
			t.Fatalf("%q is written as %x, want %x", in, coded, want)
		}
		if out, ok := AppendUnhuffman(nil, coded); !ok || !bytes.Equal(out, in) {
			t.Fatalf("%d bytes: %v %q, want %q", len(in), ok, out, in)
		}
	}
	if out, ok := AppendUnhuffman(nil, appendHuffman(nil, string(all))); !ok || !bytes.Equal(out, all) {
		t.Fatal("not all pairs of bytes survive")
	}
	for _, bad := range []string{"\xff", "\xff\xff\xff\xff", "\xff\xff\xff\xff\xff", "\x00", "\x1f\xff", "\x18"} {
		if out, ok := AppendUnhuffman(nil, []byte(bad)); ok {
			t.Errorf("%q was read as %q", bad, out)
		}
	}
}

// BenchmarkLiterals measures reading without a table: 8 fields as Huffman-coded
// literals.
func BenchmarkLiterals(b *testing.B) {
	e, d := NewEncoder(0), NewDecoder(Late, roomy)
	var block []byte
	for _, x := range fieldsOf(":method: GET", ":scheme: https", ":authority: shop.example.org", ":path: /orders/123?sort=asc", "user-agent: Mozilla/5.0 (X11; Linux x86_64)",
		"accept: text/html,application/xhtml+xml", "x-request-id: 4bf92f3577b34da6", "accept-language: en-GB") {
		block = e.Append(block, &x)
	}
	var s Section
	b.ReportAllocs()
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		if err := d.Decode(block, &s); err != nil {
			b.Fatal(err)
		}
	}
}
