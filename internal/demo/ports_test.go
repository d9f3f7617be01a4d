package demo

import (
	"slices"
	"testing"
)

// Two demos that start at once take different ports, though nobody listens on any of them yet.
func TestTwoDemosTakeDifferentPorts(t *testing.T) {
	a, err := takePorts(9)
	if err != nil {
		t.Fatal(err)
	}
	defer a.release()
	b, err := takePorts(9)
	if err != nil {
		t.Fatal(err)
	}
	defer b.release()
	if len(a.free) != 9 || len(b.free) != 9 || slices.ContainsFunc(a.free, func(x string) bool { return slices.Contains(b.free, x) }) {
		t.Errorf("%v and %v", a.free, b.free)
	}
}
