package wire

import "testing"

// requests are blocks of n requests in turn, as fields and as bytes.
func requests(n int) (fields [][]Field, blocks [][]byte) {
	e := NewEncoder(DefaultTableSize)
	for i := range n {
		fields = append(fields, request(i))
		var b []byte
		for j := range fields[i] {
			b = e.Append(b, &fields[i][j])
		}
		blocks = append(blocks, b)
	}
	return fields, blocks
}

// Neither direction allocates once the tables have their size.
func TestNoAllocations(t *testing.T) {
	fields, blocks := requests(1000)
	e, d := NewEncoder(DefaultTableSize), NewDecoder(Strict, roomy)
	var s Section
	var b []byte
	i := 0
	one := func() {
		b = b[:0]
		for j := range fields[i] {
			b = e.Append(b, &fields[i][j])
		}
		if err := d.Decode(blocks[i], &s); err != nil {
			t.Fatal(err)
		}
		i++
	}
	for range 100 {
		one()
	}
	if n := testing.AllocsPerRun(800, one); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

// BenchmarkEncode measures the fields of a gRPC request, two of which are never
// the same.
func BenchmarkEncode(b *testing.B) {
	fields, _ := requests(256)
	e := NewEncoder(DefaultTableSize)
	var buf []byte
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		buf = buf[:0]
		for j := range fields[i&255] {
			buf = e.Append(buf, &fields[i&255][j])
		}
	}
	b.ReportMetric(float64(len(buf)), "bytes")
}

// BenchmarkDecode measures reading the same.
func BenchmarkDecode(b *testing.B) {
	_, blocks := requests(1024)
	d := NewDecoder(Strict, roomy)
	var s Section
	for _, x := range blocks[:512] {
		if err := d.Decode(x, &s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ { // the table changes no more
		if err := d.Decode(blocks[512+i&511], &s); err != nil {
			b.Fatal(err)
		}
	}
}
