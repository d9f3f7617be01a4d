package grpc

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// redactor takes out of messages what must not be told.
type redactor struct {
	types  protoregistry.MessageTypeResolver
	depth  int // of messages packed in Any
	hidden bool
}

// message clears the fields of m, and of what it holds, that their descriptors
// mark with debug_redact.
func (r *redactor) message(m protoreflect.Message) {
	if m.Descriptor().FullName() == "google.protobuf.Any" {
		r.packed(m)
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if o, ok := f.Options().(*descriptorpb.FieldOptions); ok && o.GetDebugRedact() {
			m.Clear(f)
			r.hidden = true
			return true
		}
		r.value(f, v)
		return true
	})
}

func (r *redactor) value(f protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch {
	case f.IsMap():
		if f.MapValue().Message() != nil {
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				r.message(v.Message())
				return true
			})
		}
	case f.Message() == nil:
	case f.IsList():
		for i := range v.List().Len() {
			r.message(v.List().Get(i).Message())
		}
	default:
		r.message(v.Message())
	}
}

// packed looks into an Any. What it cannot look into is left, and makes the
// whole message fail as JSON; what is nested too deep is cleared.
func (r *redactor) packed(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	url, value := fields.ByNumber(1), fields.ByNumber(2)
	kind, err := r.types.FindMessageByURL(m.Get(url).String())
	if err != nil {
		return
	}
	inner := kind.New()
	o := proto.UnmarshalOptions{AllowPartial: true, RecursionLimit: maxDepth}
	if o.Unmarshal(m.Get(value).Bytes(), inner.Interface()) != nil {
		return
	}
	sub := redactor{types: r.types, depth: r.depth + 1}
	if sub.depth > maxDepth {
		sub.hidden = true
		proto.Reset(inner.Interface())
	} else {
		sub.message(inner)
	}
	if !sub.hidden {
		return
	}
	r.hidden = true
	b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(inner.Interface())
	if err != nil {
		b = nil
	}
	m.Set(value, protoreflect.ValueOfBytes(b))
}
