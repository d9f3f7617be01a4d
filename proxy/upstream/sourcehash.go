package upstream

import (
	"net/netip"

	"github.com/cespare/xxhash/v2"
)

// Hashes reports whether the cluster's policy goes by Want.Hash.
func (c *Cluster) Hashes() bool { return c.original == nil && c.options.Policy.Traits().Hashes }

// HashOfAddr is the hash of a client's address; ok where there is one.
func HashOfAddr(a netip.Addr) (hash uint64, ok bool) {
	if !a.IsValid() {
		return 0, false
	}
	var buf [64]byte
	return xxhash.Sum64(a.Unmap().AppendTo(buf[:0])), true
}
