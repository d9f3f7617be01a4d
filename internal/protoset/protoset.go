// Package protoset loads descriptors of protobuf's services: from descriptor
// sets, from .proto sources, and from servers that offer reflection. It opens
// files and connections, so that decoders need not.
package protoset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	// Files that sets may import without containing them.
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/apipb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/sourcecontextpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/typepb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
)

// Options say where descriptors are.
type Options struct {
	Files   []string      // descriptor sets, or sources where the name ends in .proto
	Reflect string        // host:port of a server, or https://host:port
	Timeout time.Duration // for the server; 0 means 10 s
	MaxFile int64         // bytes of a file; 0 means 64 MiB
}

const (
	defaultTimeout = 10 * time.Second
	defaultMaxFile = 64 << 20
)

// Load reads everything that o names; nil when that is nothing. What is wrong
// is told with the file or server.
func Load(ctx context.Context, o Options) (*protoregistry.Files, error) {
	if len(o.Files) == 0 && o.Reflect == "" {
		return nil, nil
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxFile <= 0 {
		o.MaxFile = defaultMaxFile
	}
	s := set{}
	for _, name := range o.Files {
		read := s.file
		if strings.HasSuffix(name, ".proto") {
			read = s.source
		}
		if err := read(ctx, name, o.MaxFile); err != nil {
			return nil, fmt.Errorf("protobuf descriptors: %s: %w", name, err)
		}
	}
	if o.Reflect != "" {
		ctx, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		if err := s.reflect(ctx, o.Reflect); err != nil {
			return nil, fmt.Errorf("reflection of %s: %w", o.Reflect, err)
		}
	}
	return s.link()
}

// set is files by their path.
type set map[string]*descriptorpb.FileDescriptorProto

// add takes a file, which may be there already if it says the same.
func (s set) add(f *descriptorpb.FileDescriptorProto) error {
	f.SourceCodeInfo = nil // comments and places: of no use here
	if before := s[f.GetName()]; before != nil && !proto.Equal(before, f) {
		return fmt.Errorf("%q is here in another version than before; give one of them", f.GetName())
	}
	s[f.GetName()] = f
	return nil
}

// addLinked takes a file and all that it imports, but for what is there.
func (s set) addLinked(f protoreflect.FileDescriptor) error {
	if f.IsPlaceholder() || s[f.Path()] != nil {
		return nil
	}
	if err := s.add(protodesc.ToFileDescriptorProto(f)); err != nil {
		return err
	}
	return s.imports(f)
}

func (s set) imports(f protoreflect.FileDescriptor) error {
	for i := range f.Imports().Len() {
		if err := s.addLinked(f.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return nil
}

// file reads a descriptor set, as protoc --descriptor_set_out and buf build
// write it.
func (s set) file(_ context.Context, name string, limit int64) error {
	b, err := read(name, limit)
	if err != nil {
		return err
	}
	var d descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &d); err != nil || len(d.File) == 0 {
		return errors.New("is no descriptor set; make one with protoc --include_imports --descriptor_set_out=FILE or buf build -o FILE, or name a .proto source")
	}
	for _, f := range d.File {
		if err := s.add(f); err != nil {
			return err
		}
	}
	return nil
}

func read(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("has %d bytes; the most that is read is %d", info.Size(), limit)
	}
	return os.ReadFile(name)
}

// link makes the files known to each other. Of imports that are missing, those
// that come with protobuf are at hand.
func (s set) link() (*protoregistry.Files, error) {
	var missing []string
	for _, f := range s.list() {
		for _, dep := range f.GetDependency() {
			if s[dep] != nil {
				continue
			}
			if known, err := protoregistry.GlobalFiles.FindFileByPath(dep); err != nil {
				missing = append(missing, dep)
			} else if err := s.addLinked(known); err != nil {
				return nil, err
			}
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("protobuf descriptors: imports are missing: %s; make the set with protoc --include_imports, or name the files too", strings.Join(missing, ", "))
	}
	files, err := protodesc.NewFiles(&descriptorpb.FileDescriptorSet{File: s.list()})
	if err != nil {
		return nil, fmt.Errorf("protobuf descriptors do not fit together: %w", err)
	}
	return files, nil
}
