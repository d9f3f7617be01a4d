package grpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// maxDepth bounds messages within messages.
const maxDepth = 100

// schema turns messages into JSON.
type schema struct {
	types            *dynamicpb.Types
	payload, message int // Options.Payload, Options.Message
}

func newSchema(o Options) schema {
	return schema{dynamicpb.NewTypes(o.Descriptors), o.Payload, o.Message}
}

// method is what a descriptor says of one.
type method struct {
	message   [2]protoreflect.MessageDescriptor // by direction
	streaming string
}

// methods lists those of all services.
func methods(files *protoregistry.Files) map[string]*method {
	all := map[string]*method{}
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				m := s.Methods().Get(j)
				all[string(s.FullName())+"/"+string(m.Name())] = &method{
					message:   [2]protoreflect.MessageDescriptor{m.Input(), m.Output()},
					streaming: kinds[bit(m.IsStreamingClient())|bit(m.IsStreamingServer())<<1],
				}
			}
		}
		return true
	})
	return all
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

var errPacked = errors.New("grpc: compression that is not undone")

// inflate undoes the compression of a message, as far as limit bytes.
func inflate(encoding string, b []byte, limit int) ([]byte, error) {
	var r io.Reader
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(b))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(b))
	default:
		err = errPacked
	}
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(out) > limit {
		err = errPacked
	}
	return out, err
}

// json is a message as JSON of at most schema.payload bytes; "" when it cannot
// be told. It allocates: somebody asked for it.
func (s *schema) json(d protoreflect.MessageDescriptor, b []byte) (text []byte, redacted bool) {
	m := dynamicpb.NewMessage(d)
	if s.read(b, m) != nil {
		return nil, false
	}
	r := redactor{types: s.types}
	r.message(m)
	text, err := protojson.MarshalOptions{AllowPartial: true, Resolver: s.types}.Marshal(m)
	if err != nil {
		return nil, r.hidden
	}
	return s.bounded(text), r.hidden
}

var errBroken = errors.New("grpc: the message broke its decoder")

// read fills m in from b. protobuf-go 1.36 panics on some messages that no
// writer makes, as a map's entry whose key is given twice in two wire types;
// such a message is one that cannot be read.
func (s *schema) read(b []byte, m proto.Message) (err error) {
	defer func() {
		if recover() != nil {
			err = errBroken
		}
	}()
	o := proto.UnmarshalOptions{AllowPartial: true, Resolver: s.types, RecursionLimit: maxDepth}
	return o.Unmarshal(b, m)
}

// bounded is JSON without blanks, which protojson varies at random, cut to
// what is told; nil for what is no JSON.
func (s *schema) bounded(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return nil
	}
	if b.Len() <= s.payload {
		return b.Bytes()
	}
	return append(bytes.ToValidUTF8(b.Bytes()[:s.payload], nil), "..."...)
}
