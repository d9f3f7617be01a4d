package store

import "math/bits"

// Durations are counted in log-linear buckets: eight to every power of two,
// from 1 us to 137 s. A quantile is off by 6 % at most.
const (
	subBits  = 3
	minExp   = 10
	maxExp   = 37
	nBuckets = 1 + (maxExp-minExp)<<subBits + 1
)

type histogram [nBuckets]uint32

// bucket is where a duration of ns belongs.
func bucket(ns int64) int {
	switch {
	case ns < 1<<minExp:
		return 0
	case ns >= 1<<maxExp:
		return nBuckets - 1
	}
	e := bits.Len64(uint64(ns)) - 1
	sub := int(ns>>(e-subBits)) & (1<<subBits - 1)
	return 1 + (e-minExp)<<subBits + sub
}

// middle is the duration in ns that stands for a bucket.
func middle(i int) int64 {
	switch i {
	case 0:
		return 1 << (minExp - 1)
	case nBuckets - 1:
		return 1 << maxExp
	}
	e := minExp + (i-1)>>subBits
	low := int64(1)<<e + int64((i-1)&(1<<subBits-1))<<(e-subBits)
	return low + int64(1)<<(e-subBits-1)
}

// counts is a histogram summed over slots.
type counts [nBuckets]uint64

func (c *counts) add(h *histogram) {
	for i, n := range h {
		c[i] += uint64(n)
	}
}

// quantile is the duration under which a share q of n values lie.
func (c *counts) quantile(q float64, n uint64) int64 {
	if n == 0 {
		return 0
	}
	rank := uint64(q * float64(n-1))
	for i, k := range c {
		if rank < k {
			return middle(i)
		}
		rank -= k
	}
	return middle(nBuckets - 1)
}
