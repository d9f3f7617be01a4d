package mongo

import (
	"bytes"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// siteTable remembers what comments say. A line of code sends the same comment
// with every command, so that it need be parsed once. All connections share it;
// what is in it never changes, so that reading takes no lock.
//
// A comment comes in when its place saw it last time too: one that is never
// repeated, such as one with a trace context, costs no memory.
type siteTable [1 << siteBits]struct {
	seen  atomic.Pointer[seenSite]
	tried atomic.Uint64 // hash of the last comment that was not found here
}

const (
	siteBits    = 9
	siteComment = 512 // bytes; a longer comment is parsed every time
)

// seenSite is a comment and what it says, which points into text.
type seenSite struct {
	kind  bson.Type
	raw   []byte
	site  event.CallSite
	text  []byte
	extra [maxExtra]event.KeyValue
}

func siteHash(e bson.Element) uint64 { return xxhash.Sum64(e.Value) ^ uint64(e.Type) }

// find is what is known of a comment; nil when it has to be parsed.
func (t *siteTable) find(e bson.Element) *seenSite {
	if len(e.Value) > siteComment {
		return nil
	}
	s := t[siteHash(e)>>(64-siteBits)].seen.Load()
	if s == nil || s.kind != e.Type || !bytes.Equal(s.raw, e.Value) {
		return nil
	}
	return s
}

// learn takes in what a comment said that was not found.
func (t *siteTable) learn(e bson.Element, site *event.CallSite) {
	if len(e.Value) > siteComment || !site.TraceID.IsZero() {
		return
	}
	h := siteHash(e)
	place := &t[h>>(64-siteBits)]
	if place.tried.Swap(h) != h {
		return
	}
	s := &seenSite{kind: e.Type, raw: bytes.Clone(e.Value), site: *site}
	keepSite(&s.text, &s.site, &s.extra)
	place.seen.Store(s)
}
