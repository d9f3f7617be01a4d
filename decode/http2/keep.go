package http2

import (
	"errors"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/coding"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/event"
)

// keep is what was asked to be kept of an exchange beyond its attributes. It
// may allocate.
type keep struct {
	detail event.HTTPDetail
	bodies [2][]byte
	coding [2]string // content codings that the bodies are under
	cut    [2]bool
}

// head keeps a section's fields, and what it says of the body after it.
func (k *keep) head(d event.Dir, f *wire.Section, c decode.Keep) {
	k.coding[d] = ""
	to := &k.detail.RequestHeaders
	if d == event.ToClient {
		to = &k.detail.ResponseHeaders
	}
	*to = (*to)[:0]
	for i := range f.Fields {
		x := &f.Fields[i]
		if x.Role == wire.RoleContentEncoding {
			k.coding[d] = joined(k.coding[d], x.Value)
		}
		if c.Headers {
			v := semantics.AppendValue(nil, view(x.Name), view(x.Value))
			*to = append(*to, event.KeyValue{Key: clone(x.Name), Value: string(v)})
		}
	}
}

func joined(list, more string) string {
	if list == "" {
		return clone(more)
	}
	return list + "," + more
}

func clone(s string) string { return string(view(s)) }

// body keeps b as far as it can matter to limit bytes of decoded body.
func (k *keep) body(d event.Dir, b []byte, limit int) {
	if limit <= 0 || k.cut[d] {
		return
	}
	room := coding.Enough(limit) - len(k.bodies[d])
	if room < len(b) {
		k.cut[d] = true
		b = b[:max(room, 0)]
	}
	k.bodies[d] = append(k.bodies[d], b...)
}

// finish undoes the content codings of the bodies.
func (k *keep) finish(x *event.Exchange, limit int) {
	d := &k.detail
	for dir, b := range k.bodies {
		if len(b) == 0 {
			continue
		}
		out, err := coding.Decode(b, k.coding[dir], limit)
		if errors.Is(err, coding.ErrUnknown) {
			x.Decode |= event.Undecoded
		}
		k.cut[dir] = k.cut[dir] || err != nil
		if event.Dir(dir) == event.ToServer {
			d.RequestBody = decode.View(out)
		} else {
			d.ResponseBody = decode.View(out)
		}
	}
	d.RequestCut, d.ResponseCut = k.cut[event.ToServer], k.cut[event.ToClient]
}
