package decode

import "github.com/pitot-io/pitot/internal/event"

// Layer is a protocol that rides on HTTP's exchanges, whatever HTTP's version:
// gRPC, gRPC-Web. The decoders of HTTP are given a list of them and show each
// exchange's fields and bodies to the first that takes it.
type Layer interface {
	// Open looks at the fields of an exchange and is what follows it; nil when
	// the exchange is none of the layer's. It is asked when the request's
	// fields are known (answer is nil then), and again, while nobody has taken
	// the exchange, when the final answer's are. request is nil where the
	// request was never seen. c.Inspect, where set, is told what the layer
	// finds while one of the Call's methods runs; whoever calls them gives a c
	// whose Inspect fills in Offset (of the frame or chunk that is being shown)
	// and Stream, which the layer leaves 0.
	Open(c *Conn, request, answer Fields) Call
}

// Fields are the fields of a header or trailer section. A request has
// ":method" and ":path" and an answer ":status" too, whatever HTTP's version.
type Fields interface {
	// Field is the first value of the field of that name, which is lower-case.
	// The text is lent for the length of the call that was given the Fields.
	// What HPACK could not tell is not there.
	Field(name string) (value string, ok bool)
}

// Call follows one exchange of a Layer. It is called in the order of the bytes
// of each direction; after Finish comes Told and nothing else.
type Call interface {
	Answer(f Fields)                      // fields of the final answer; not called when Open was given them
	Data(d event.Dir, at int64, b []byte) // bytes of the body, framing of HTTP taken off, content coding left on
	Lost(d event.Dir, at int64, n int64)  // n bytes of the body were never seen; 0: an unknown number
	Trailers(d event.Dir, f Fields)       // in a trailers-only answer the fields come by Answer alone
	Finish(x *event.Exchange)             // x, whose HTTP part is complete, is about to be told: fill in the rest
	Told()                                // x was told: what Finish lent to it may serve another Call; the last call
}
