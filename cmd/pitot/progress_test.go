package main

import (
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		taken, size int64
		want        string
	}{
		{50 << 20, 200 << 20, "[======                  ]  25% of 200.0 MiB, 25.0 MiB/s, 6s left"},
		{200 << 20, 200 << 20, "[========================] 100% of 200.0 MiB, 100.0 MiB/s, 0s left"},
		{0, 1 << 40, "[                        ]   0% of 1.0 TiB, 0 B/s, ? left"},
		{4 << 20, 0, "4.0 MiB read, 2.0 MiB/s"},
	} {
		got := progressLine(c.taken, c.size, 2*time.Second)
		if got != c.want || len(got) >= 80 {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
