package hop

import (
	"strings"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/orca"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Heed takes in what fields of an answer, or its trailers, tell of the load of h,
// where weights go by that. now is in ns since the Unix epoch.
func Heed(h *upstream.Host, fields []http1.Field, now int64) {
	if !h.Steered() {
		return
	}
	for i := range fields {
		if l, ok := load(&fields[i]); ok {
			h.TakeLoad(now, l)
			return
		}
	}
}

func load(f *http1.Field) (upstream.Load, bool) {
	switch {
	case len(f.Name) == len(orca.Field) && strings.EqualFold(string(f.Name), orca.Field):
		return orca.Parse(string(f.Value))
	case len(f.Name) == len(orca.Binary) && strings.EqualFold(string(f.Name), orca.Binary):
		return orca.ParseBinary(string(f.Value))
	}
	return upstream.Load{}, false
}
