package main

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/pitot-io/pitot/decode/grpc"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/protoset"
)

// grpcFlags are what commands that decode can be told of gRPC.
type grpcFlags struct {
	proto    []string
	reflect  string
	metadata []string
	payload  string
}

func (g *grpcFlags) add(fl *pflag.FlagSet) {
	fl.StringSliceVar(&g.proto, "proto", nil, "tell gRPC payloads as JSON by these descriptors: `FILE`.protoset or FILE.proto")
	fl.StringVar(&g.reflect, "proto-reflect", "", "the same by the reflection of a gRPC server at `host:port` or https://host:port")
	fl.StringSliceVar(&g.metadata, "grpc-metadata", nil, "tell gRPC metadata of these `names`; never secrets")
	fl.StringVar(&g.payload, "grpc-payload", "", "`bytes` of JSON told of a gRPC message (default 4KiB)")
}

// over puts what the flags say over c.
func (g *grpcFlags) over(c *config.GRPC) error {
	if len(g.proto) > 0 {
		c.Descriptors = g.proto
	}
	if g.reflect != "" {
		c.Reflect = g.reflect
	}
	if len(g.metadata) > 0 {
		c.Metadata = g.metadata
	}
	if g.payload == "" {
		return nil
	}
	size, err := config.ParseSize(g.payload)
	if err != nil {
		return usagef("--grpc-payload: %w", err)
	}
	c.Payload = size
	return nil
}

// options are the decoder's, by flags alone.
func (g *grpcFlags) options(ctx context.Context) (o grpc.Options, err error) {
	c := config.Default().GRPC
	if err := g.over(&c); err != nil {
		return o, err
	}
	if err := inFlags(c.Validate()); err != nil {
		return o, err
	}
	return grpcOptions(ctx, c)
}

// grpcOptions loads the descriptors that c names.
func grpcOptions(ctx context.Context, c config.GRPC) (o grpc.Options, err error) {
	if err := checkMetadata(c.Metadata); err != nil {
		return o, err
	}
	o = grpc.Options{Metadata: c.Metadata, Payload: int(c.Payload)}
	o.Descriptors, err = protoset.Load(ctx, protoset.Options{Files: c.Descriptors, Reflect: c.Reflect})
	return o, err
}

// checkMetadata refuses what would never be told, so that nobody waits for it.
func checkMetadata(names []string) error {
	for _, n := range names {
		if semantics.SecretField([]byte(strings.TrimSpace(n))) {
			return usagef("grpc.metadata (--grpc-metadata): %q is a secret, which is never told; leave it out", n)
		}
	}
	return nil
}
