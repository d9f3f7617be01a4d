package protoset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
	v1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pitot-io/pitot/internal/grpctest"
)

const (
	cart   = "syntax = \"proto3\"; package shop; import \"api/common.proto\"; import \"google/protobuf/timestamp.proto\";\nmessage Req { string user = 1; google.protobuf.Timestamp at = 2; }\nservice Cart { rpc Get(Req) returns (stream Item); }"
	common = "syntax = \"proto3\"; package shop; message Item { int64 id = 1; }"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// has fails unless o gives a descriptor of that name.
func has(t *testing.T, o Options, name string) {
	t.Helper()
	files, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files.FindDescriptorByName(protoreflect.FullName(name)); err != nil {
		t.Error(err)
	}
}

func TestSourcesAndSets(t *testing.T) {
	dir := t.TempDir()
	source := write(t, dir, "api/cart.proto", cart)
	write(t, dir, "api/common.proto", common)
	has(t, Options{Files: []string{source}}, "shop.Cart.Get")

	s := set{}
	if err := s.source(t.Context(), source, 1<<20); err != nil {
		t.Fatal(err)
	}
	delete(s, "google/protobuf/timestamp.proto") // as without --include_imports
	b, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: s.list()})
	if err != nil {
		t.Fatal(err)
	}
	has(t, Options{Files: []string{write(t, dir, "cart.protoset", string(b)), source}}, "shop.Cart.Get")

	t.Chdir(dir)
	has(t, Options{Files: []string{"api/cart.proto"}}, "shop.Item")
	if files, err := Load(t.Context(), Options{}); files != nil || err != nil {
		t.Error(files, err)
	}
}

func TestWhatCannotBeLoadedIsNamed(t *testing.T) {
	dir := t.TempDir()
	lonely, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{Name: proto.String("a.proto"), Dependency: []string{"b.proto"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"none.protoset":   {"", "descriptor_set_out"},
		"text.protoset":   {"hello", "descriptor_set_out"},
		"lonely.protoset": {string(lonely), "imports are missing: b.proto"},
		"bad.proto":       {"syntax = \"proto3\"; message {", "bad.proto"},
		"import.proto":    {"syntax = \"proto3\"; import \"x/y.proto\";", "the folder that imports begin from"},
		"long.proto":      {strings.Repeat("//\n", 1000), "has 3000 bytes; the most that is read is 2000"},
	} {
		file := write(t, dir, name, c.text)
		if _, err := Load(t.Context(), Options{Files: []string{file}, MaxFile: 2000}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(t.Context(), Options{Files: []string{dir + "/missing.protoset"}}); err == nil {
		t.Error("a missing file was read")
	}
}

func TestTwoVersionsOfAFile(t *testing.T) {
	dir := t.TempDir()
	one := write(t, dir, "1/common.proto", common)
	two := write(t, dir, "2/common.proto", common+"message More {}")
	if _, err := Load(t.Context(), Options{Files: []string{one, two}}); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Error(err)
	}
}

// serve is a server with the test service and what register adds.
func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	s, err := grpctest.Listen(register)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Addr()
}

func TestReflection(t *testing.T) {
	for name, register := range map[string]func(*grpc.Server){
		"both": func(s *grpc.Server) { reflection.Register(s) },
		"v1":   func(s *grpc.Server) { reflection.RegisterV1(s) },
		"v1alpha": func(s *grpc.Server) {
			v1alpha.RegisterServerReflectionServer(s, reflection.NewServer(reflection.ServerOptions{Services: s}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			has(t, Options{Reflect: serve(t, register)}, "grpc.testing.TestService.UnaryCall")
		})
	}
	if _, err := Load(t.Context(), Options{Reflect: serve(t, func(*grpc.Server) {})}); err == nil || !strings.Contains(err.Error(), "must offer grpc.reflection") {
		t.Error(err)
	}
}

// TestReflectionBesideASet: what a server tells and what a file says of the
// same fit together.
func TestReflectionBesideASet(t *testing.T) {
	file := protodesc.ToFileDescriptorProto(testgrpc.File_grpc_testing_empty_proto)
	b, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	set := write(t, t.TempDir(), "empty.protoset", string(b))
	has(t, Options{Files: []string{set}, Reflect: serve(t, func(s *grpc.Server) { reflection.Register(s) })}, "grpc.testing.TestService.EmptyCall")
}
