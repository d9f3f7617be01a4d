package main

import "testing"

func TestMemoryIsGivenBackOnceAfterABusyTime(t *testing.T) {
	var trim trimmer
	total := uint64(0)
	for i, step := range []struct {
		allocated uint64
		due       bool
	}{
		{1 << 20, false},  // starting up
		{1000, false},     // quiet, and nothing worth it
		{10 << 20, false}, // busy
		{10 << 20, false},
		{1000, true},
		{1000, false}, // has been done
		{3 << 20, false},
		{1000, false}, // too little since
		{2 << 20, false},
		{1000, true},
	} {
		total += step.allocated
		if got := trim.due(total); got != step.due {
			t.Errorf("second %d: due %v, want %v", i, got, step.due)
		}
	}
}

func TestAllocatedGrows(t *testing.T) {
	before := allocated()
	sink := make([][]byte, 64)
	for i := range sink {
		sink[i] = make([]byte, 64<<10)
	}
	if grown := allocated() - before; grown < 64*64<<10 {
		t.Errorf("%d bytes, want 4 MiB at least (%d)", grown, len(sink))
	}
}
