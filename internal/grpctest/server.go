// Package grpctest is a real gRPC server and a client that calls it in every
// way gRPC has, for tests and recordings: both are google.golang.org/grpc.
package grpctest

import (
	"context"
	"io"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // so that calls may be compressed
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Server serves grpc.testing.TestService on loopback.
type Server struct {
	grpc *grpc.Server
	addr string
	done chan error
}

// Listen starts a server on a free port; register may add services.
func Listen(register ...func(*grpc.Server)) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{grpc: grpc.NewServer(), addr: l.Addr().String(), done: make(chan error, 1)}
	testgrpc.RegisterTestServiceServer(s.grpc, service{})
	for _, f := range register {
		f(s.grpc)
	}
	go func() { s.done <- s.grpc.Serve(l) }()
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.addr }

// Close ends it, calls under way as well. It may be called twice.
func (s *Server) Close() error {
	s.grpc.Stop()
	err := <-s.done
	s.done <- nil
	return err
}

type service struct {
	testgrpc.UnimplementedTestServiceServer
}

func (service) EmptyCall(ctx context.Context, _ *testgrpc.Empty) (*testgrpc.Empty, error) {
	return new(testgrpc.Empty), nil
}

// UnaryCall answers as asked: with a status, or response_size bytes; with
// fill_username it waits until the call is given up.
func (service) UnaryCall(ctx context.Context, in *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("x-tenant")) > 0 {
		if err := grpc.SetHeader(ctx, metadata.Pairs("x-tenant", md.Get("x-tenant")[0], "x-blob-bin", "\x00\x01\xff")); err != nil {
			return nil, err
		}
		if err := grpc.SetTrailer(ctx, metadata.Pairs("x-cost", "7")); err != nil {
			return nil, err
		}
	}
	if in.FillUsername {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if s := in.ResponseStatus; s != nil {
		return nil, status.Error(codes.Code(s.Code), s.Message)
	}
	return &testgrpc.SimpleResponse{Payload: payload(in.ResponseSize), Username: strings.Repeat("ann ", 3)}, nil
}

// StreamingOutputCall sends what was asked for, and the status after it.
func (service) StreamingOutputCall(in *testgrpc.StreamingOutputCallRequest, s testgrpc.TestService_StreamingOutputCallServer) error {
	return answer(in, s.Send)
}

func (service) StreamingInputCall(s testgrpc.TestService_StreamingInputCallServer) error {
	sum := int32(0)
	for {
		in, err := s.Recv()
		if err == io.EOF {
			return s.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: sum})
		}
		if err != nil {
			return err
		}
		sum += int32(len(in.GetPayload().GetBody()))
	}
}

func (service) FullDuplexCall(s testgrpc.TestService_FullDuplexCallServer) error {
	for {
		in, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := answer(in, s.Send); err != nil {
			return err
		}
	}
}

func answer(in *testgrpc.StreamingOutputCallRequest, send func(*testgrpc.StreamingOutputCallResponse) error) error {
	for _, p := range in.ResponseParameters {
		if err := send(&testgrpc.StreamingOutputCallResponse{Payload: payload(p.Size)}); err != nil {
			return err
		}
	}
	if s := in.ResponseStatus; s != nil {
		return status.Error(codes.Code(s.Code), s.Message)
	}
	return nil
}

func payload(size int32) *testgrpc.Payload {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return &testgrpc.Payload{Body: b}
}
