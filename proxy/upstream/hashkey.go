package upstream

import (
	"math/rand/v2"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// HashKeyName is the metadata entry of an endpoint that its places in hash
// tables come from, in the place of its hostname or address.
const HashKeyName = "hash_key"

// hashKeys are what the hosts' places in hash tables come from, each another.
func hashKeys(hosts []*Host) []string {
	keys, seen := make([]string, len(hosts)), make(map[string]bool, len(hosts))
	for i, h := range hosts {
		key := h.hashKey()
		if seen[key] {
			key += "|" + h.address
		}
		seen[key] = true
		keys[i] = key
	}
	return keys
}

func (h *Host) hashKey() string {
	e := h.told.Load()
	switch {
	case e == nil:
		return h.address
	case e.Metadata[HashKeyName] != "":
		return e.Metadata[HashKeyName]
	case e.Hostname != "":
		return e.Hostname
	}
	return h.address
}

// point is the place of entry number n of a key.
func point(b []byte, n int) (hash uint64, buf []byte) {
	at := len(b)
	b = strconv.AppendInt(b, int64(n), 10)
	return xxhash.Sum64(b), b[:at]
}

// shares are the parts of all exchanges that the hosts of a set are to get by
// their weights, and the smallest and largest of them.
func (s *Set) shares() (all []float64, least, most float64) {
	all, sum := make([]float64, len(s.Hosts)), 0.0
	for i, h := range s.Hosts {
		if all[i] = float64(h.Weight()); s.Scale != nil {
			all[i] *= s.Scale[i]
		}
		sum += all[i]
	}
	least = 1
	for i := range all {
		if sum > 0 {
			all[i] /= sum
		}
		least, most = min(least, all[i]), max(most, all[i])
	}
	return all, least, most
}

// hash is what decides for w: its own, or chance where the request had nothing
// to hash.
func (w *Want) hash() uint64 {
	if w.Hashed {
		return w.Hash
	}
	w.note = noHash
	return rand.Uint64()
}
