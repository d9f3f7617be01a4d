package ratelimit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// entry is what is known of one key of a limit.
type entry struct {
	key string
	bucket
	refusals

	prev, next *entry // in the shard, the one used last first
}

// table holds the entries of a limit's keys, so many and no more: who is used
// least recently makes room, and is full when it comes back. Clients choose
// keys, so they cannot have it grow.
type table struct {
	seed    maphash.Seed
	shards  []shard
	evicted atomic.Uint64
}

// shard is a part of the keys, so that its lock stays uncontended.
type shard struct {
	mu          sync.Mutex
	most        int
	byKey       map[string]*entry
	first, last *entry
}

// Keys are spread over up to maxShards shards, of at least shardKeys each: in
// one of few keys "least recently" would mean little.
const (
	maxShards = 16
	shardKeys = 64
)

func newTable(most int) *table {
	n := 1
	for n < maxShards && most/(2*n) >= shardKeys {
		n *= 2
	}
	t := &table{seed: maphash.MakeSeed(), shards: make([]shard, n)}
	for i := range t.shards {
		s := &t.shards[i]
		s.most, s.byKey = most/n, map[string]*entry{}
		if i < most%n {
			s.most++
		}
	}
	return t
}

// find is the entry of key, made full at now when it is new.
func (t *table) find(key []byte, r *rate, now int64) *entry {
	s := &t.shards[maphash.Bytes(t.seed, key)&uint64(len(t.shards)-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[string(key)]
	if e == nil {
		if len(s.byKey) >= s.most {
			s.evict()
			t.evicted.Add(1)
		}
		e = &entry{key: string(key)}
		e.reset(r, now)
		s.byKey[e.key] = e
		s.push(e)
	} else if s.first != e {
		s.remove(e)
		s.push(e)
	}
	return e
}

// evict forgets the key used least recently. Who holds its entry can go on
// with it.
func (s *shard) evict() {
	e := s.last
	s.remove(e)
	delete(s.byKey, e.key)
}

func (s *shard) push(e *entry) {
	if e.next = s.first; e.next != nil {
		e.next.prev = e
	} else {
		s.last = e
	}
	e.prev, s.first = nil, e
}

func (s *shard) remove(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		s.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		s.last = e.prev
	}
	e.prev, e.next = nil, nil
}

// size is the number of keys.
func (t *table) size() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.byKey)
		s.mu.Unlock()
	}
	return n
}
