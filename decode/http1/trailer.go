package http1

import "github.com/pitot-io/pitot/decode"

// Collect has b keep the trailer section, at most Limits.Head bytes of it, for
// Trailers. Reset forgets it.
func (b *Body) Collect() { b.collect = true }

// Trailers are the fields after a body that is done and was collected. They
// are read with h, whose other content is void then, and last until h or b is
// used again.
func (b *Body) Trailers(h *Head, m Mode, lim decode.Limits) ([]Field, error) {
	if len(b.trailer) <= len("\r\n") {
		return nil, nil
	}
	h.clear()
	h.mode, h.limits = m, lim
	n, err := h.fields(b.trailer, 0)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, bad("http1.invalid_trailer")
	}
	return h.Fields, nil
}
