package store

import "github.com/pitot-io/pitot/internal/event"

// recent keeps the newest exchanges in segments, oldest first. A batch that is
// well filled is kept as it is; the exchanges of a small one are copied into a
// segment of our own, because a batch keeps room for event.BatchCap of them.
type recent struct {
	segments []*event.Batch
	own      *event.Batch // last of segments when not nil, still being filled
	n, limit int
}

func (r *recent) add(b *event.Batch) {
	if len(b.Exchanges) >= event.BatchCap/2 {
		r.own = nil
		r.push(b)
		return
	}
	for i := range b.Exchanges {
		if r.own == nil || r.own.Full() {
			r.own = new(event.Batch)
			r.push(r.own)
		}
		r.own.Exchange(&b.Exchanges[i])
		r.n++
	}
}

// push drops whole segments that are over the limit.
func (r *recent) push(b *event.Batch) {
	r.segments = append(r.segments, b)
	r.n += len(b.Exchanges)
	for len(r.segments) > 1 && (r.n-len(r.segments[0].Exchanges) >= r.limit || len(r.segments) > 4*r.limit/event.BatchCap+2) {
		r.n -= len(r.segments[0].Exchanges)
		r.segments[0] = nil
		r.segments = r.segments[1:]
	}
}

// newest calls f with exchanges from the newest back, until f says false. What
// f gets may be kept: segments are never changed but at their end.
func (r *recent) newest(f func(*event.Exchange) bool) {
	left := r.limit
	for i := len(r.segments) - 1; i >= 0; i-- {
		xs := r.segments[i].Exchanges
		for j := len(xs) - 1; j >= 0; j-- {
			if left--; left < 0 || !f(&xs[j]) {
				return
			}
		}
	}
}
