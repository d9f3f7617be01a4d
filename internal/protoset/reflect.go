package protoset

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// reflect asks a server for all its services: by version 1 of the reflection
// protocol, and by v1alpha where that is unknown. A service without descriptor
// is left out while another has one.
func (s set) reflect(ctx context.Context, target string) error {
	host, secure := strings.CutPrefix(target, "https://")
	var creds credentials.TransportCredentials = insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	conn, err := grpc.NewClient("passthrough:///"+host, grpc.WithTransportCredentials(creds))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := grpcreflect.NewClientAuto(ctx, conn, grpcreflect.WithAllowMissingFileDescriptors(),
		grpcreflect.WithFallbackResolvers(protoregistry.GlobalFiles, nil))
	defer client.Reset()
	names, err := client.ListServices()
	if err != nil {
		return fmt.Errorf("%w; the server must offer grpc.reflection.v1.ServerReflection, else use a descriptor set", err)
	}
	return s.services(client, names)
}

func (s set) services(client *grpcreflect.Client, names []protoreflect.FullName) error {
	var failed error
	found := false
	for _, name := range names {
		file, err := client.FileContainingSymbol(name)
		if err == nil {
			err = s.addLinked(file)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("service %s: %w", name, err))
		}
		found = found || err == nil
	}
	if found {
		return nil
	}
	return failed
}
