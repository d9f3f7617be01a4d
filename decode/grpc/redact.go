package grpc

import (
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// redact takes out of m the fields that their descriptors mark with
// debug_redact, and reports whether there were any.
func redact(m protoreflect.Message) (hidden bool) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if o, ok := f.Options().(*descriptorpb.FieldOptions); ok && o.GetDebugRedact() {
			m.Clear(f)
			hidden = true
			return true
		}
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				hidden = redact(v.Message()) || hidden
				return true
			})
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				hidden = redact(v.List().Get(i).Message()) || hidden
			}
		case !f.IsMap() && !f.IsList() && f.Message() != nil:
			hidden = redact(v.Message()) || hidden
		}
		return true
	})
	return hidden
}
