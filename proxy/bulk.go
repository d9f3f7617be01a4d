package proxy

import (
	"errors"
	"io"
	"os"
	"time"
)

// A flow is bulk when that many reads in a row have filled their buffers, and
// stays it while at least bulkRate bytes move in bulkWindow and nobody wants to
// see them.
const (
	bulkAfter  = 4
	bulkWindow = 200 * time.Millisecond
	bulkRate   = 256 << 10
	bulkChunk  = 64 << 20 // moved in one go at most, so that counts stay fresh
)

// splices reports whether the kernel sees the bytes as they are.
func (h *half) splices() bool { return h.src.TLS == nil && h.dst.TLS == nil }

// bulk moves bytes inside the kernel (splice) while they come fast. That
// takes a pipe, two descriptors, which is why a slow or idle flow does not
// stay here. It returns nil when the flow has become slow.
func (h *half) bulk() error {
	h.full = 0
	defer h.leaveBulk()
	for {
		now := time.Now()
		_ = h.src.SetReadDeadline(now.Add(bulkWindow))
		if h.p.idle > 0 {
			_ = h.dst.SetWriteDeadline(now.Add(h.p.idle))
		}
		source := io.LimitedReader{R: h.src.Socket, N: bulkChunk}
		n, err := io.Copy(h.dst.Socket, &source)
		h.count(n)
		switch {
		case err == nil && source.N > 0:
			return io.EOF
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return h.blame()
		case h.p.idle > 0 && time.Since(now) >= h.p.idle:
			return errIdle
		case n < bulkRate, h.p.t.Hub.Plain.On(): // what stays in the kernel cannot be shown
			return nil
		}
	}
}

func (h *half) leaveBulk() {
	var deadline time.Time
	if h.p.idle > 0 {
		deadline = time.Now().Add(h.p.idle)
	}
	_ = h.src.SetReadDeadline(deadline)
	_ = h.dst.SetWriteDeadline(deadline)
}

func (h *half) count(n int64) {
	if n == 0 {
		return
	}
	at := time.Now().UnixNano()
	h.moved += n
	h.p.touch(h.dir, at)
	h.p.tally.saw(h.dir, at, n)
}

// blame finds out which side a failed splice failed at: it asks the source.
func (h *half) blame() error {
	_ = h.src.SetReadDeadline(time.Time{})
	nothing := false
	if e := h.raw.Read(func(fd uintptr) bool { nothing = !h.read(fd); return true }); e != nil {
		return e
	}
	if nothing {
		return errWrite
	}
	if e := h.taken(); e != nil && e != io.EOF {
		return e
	}
	h.drop()
	return errWrite
}

// drop gives back a buffer that nobody will take.
func (h *half) drop() {
	if h.buf != nil {
		h.release()
	}
}
