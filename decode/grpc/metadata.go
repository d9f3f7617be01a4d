package grpc

import (
	"slices"
	"strings"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/event"
)

// fields is the allow-list in lower case, without secrets and repetitions.
func fields(names []string) (list []field) {
	for _, n := range names {
		n = strings.ToLower(strings.TrimSpace(n))
		known := func(f field) bool { return f.name == n }
		if n == "" || semantics.SecretField([]byte(n)) || slices.ContainsFunc(list, known) {
			continue
		}
		list = append(list, field{n, event.AttrRPCRequestMetadata + n, event.AttrRPCResponseMetadata + n})
	}
	return list
}

// tell takes over what the allow-list names. Binary values (-bin) stay as they
// were sent, in base64. Of a field that comes in the answer and again in the
// trailers both are told.
func (k *call) tell(d event.Dir, f decode.Fields) {
	for i := range k.layer.metadata {
		m := &k.layer.metadata[i]
		v, ok := f.Field(m.name)
		if !ok {
			continue
		}
		key := m.request
		if d == event.ToClient {
			key = m.response
		}
		k.rpc.Metadata = append(k.rpc.Metadata, event.KeyValue{Key: key, Value: k.keep(v)})
	}
}
