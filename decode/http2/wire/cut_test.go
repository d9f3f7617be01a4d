package wire

import (
	"errors"
	"slices"
	"testing"
)

// A block that is cut anywhere gives the fields before the cut, and an error
// unless the cut is between two representations.
func TestEveryCut(t *testing.T) {
	fields := request(1)
	e := NewEncoder(DefaultTableSize)
	var block []byte
	ends := []int{0}
	for i := range fields {
		block = e.Append(block, &fields[i])
		ends = append(ends, len(block))
	}
	for cut := range len(block) + 1 {
		var s Section
		err := NewDecoder(Strict, roomy).Decode(block[:cut], &s)
		whole, between := slices.BinarySearch(ends, cut)
		if !between {
			whole--
		}
		if between != (err == nil) || err != nil && !errors.Is(err, ErrShort) || len(s.Fields) != whole || s.Cut == between {
			t.Errorf("cut at %d: %v, %d fields, cut %v; want %d", cut, err, len(s.Fields), s.Cut, whole)
		}
		for i, x := range s.Fields {
			if x.Name != fields[i].Name || x.Value != fields[i].Value {
				t.Errorf("cut at %d: field %d is %+v", cut, i, x)
			}
		}
	}
}
