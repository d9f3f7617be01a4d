package route

import (
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
)

// Failure is a way for an exchange to end other than by the upstream's answer.
type Failure struct {
	Status int // of the local reply; 0 when nobody is there to read one
	Flags  event.ResponseFlags
	Detail string // Envoy's response code details

	GRPC   int           // status that a call of gRPC ends with; 0 for the one that Status stands for
	Fields []http1.Field // that the local reply has, too
	Body   string        // of the local reply; the details where it is empty
}

// prefix of every local reply's body.
const prefix = "pitot: "

// AppendBody adds the local reply's body, which says what went wrong in the
// words of the details, which name no address.
func (f *Failure) AppendBody(b []byte) []byte {
	if f.Body != "" {
		return append(b, f.Body...)
	}
	b = append(b, prefix...)
	b = append(b, f.Detail...)
	return append(b, '\n')
}

// Unsent reports whether no host could be reached, so that the request is still
// whole and nobody has seen it.
func (f *Failure) Unsent() bool { return f != nil && f.Flags == event.FlagUF }
