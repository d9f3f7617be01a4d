package main

import (
	"context"
	"os"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pitot-io/pitot/internal/grpctest"
)

// serveGRPC is grpc-go's server with the service that its own tests use.
func serveGRPC() (string, func(), error) {
	s, err := grpctest.Listen()
	if err != nil {
		return "", nil, err
	}
	return s.Addr(), func() { s.Close() }, nil // an error of closing changes no capture
}

// goGRPCClient makes calls of every kind with grpc-go.
func goGRPCClient(ctx context.Context, addr string) error {
	c, err := grpctest.Dial(addr)
	if err != nil {
		return err
	}
	if err := c.Run(ctx); err != nil {
		return err
	}
	return c.Close()
}

// writeProtoset writes the service's descriptors, as protoc would with
// --include_imports.
func writeProtoset(file string) error {
	var set descriptorpb.FileDescriptorSet
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	add(testgrpc.File_grpc_testing_test_proto)
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&set)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}
