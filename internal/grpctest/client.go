package grpctest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// Seen is a call as its client saw it. Payloads are bytes on the wire without
// prefixes.
type Seen struct {
	Method    string
	Code      codes.Code
	Message   string
	Sent, Got int64 // messages
	SentBytes int64
	GotBytes  int64
	SentGzip  int64 // messages that were compressed
	Deadline  bool
	OwnStatus bool // the status is the client's own: it came by no wire

	answered bool
}

// Client calls a Server and keeps what it sees.
type Client struct {
	Largest int32 // bytes of the largest answer; Dial sets 20,000

	conn *grpc.ClientConn
	stub testgrpc.TestServiceClient

	mu   sync.Mutex
	seen []*Seen
}

// Dial is a client with one connection to addr.
func Dial(addr string) (*Client, error) {
	c := &Client{Largest: 20_000}
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(c))
	if err != nil {
		return nil, err
	}
	c.conn, c.stub = conn, testgrpc.NewTestServiceClient(conn)
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Seen is every call so far, in the order in which they began.
func (c *Client) Seen() []Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Seen
	for _, s := range c.seen {
		all = append(all, *s)
	}
	return all
}

// TagRPC, HandleRPC, TagConn and HandleConn implement stats.Handler.
func (c *Client) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, deadline := ctx.Deadline()
	s := &Seen{Method: strings.TrimPrefix(i.FullMethodName, "/"), Deadline: deadline}
	c.seen = append(c.seen, s)
	return context.WithValue(ctx, seenKey{}, s)
}

type seenKey struct{}

// HandleRPC counts.
func (c *Client) HandleRPC(ctx context.Context, r stats.RPCStats) {
	s, ok := ctx.Value(seenKey{}).(*Seen)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r := r.(type) {
	case *stats.OutPayload:
		s.Sent++
		s.SentBytes += int64(r.CompressedLength)
		if r.CompressedLength != r.Length {
			s.SentGzip++
		}
	case *stats.InPayload:
		s.Got++
		s.GotBytes += int64(r.CompressedLength)
	case *stats.InTrailer:
		s.answered = true
	case *stats.End:
		st := status.Convert(r.Error)
		s.Code, s.Message = st.Code(), st.Message()
		s.OwnStatus = !s.answered
	}
}

// TagConn does nothing.
func (c *Client) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (c *Client) HandleConn(context.Context, stats.ConnStats) {}

// Run makes calls of every kind, one after the other, and some at once.
func (c *Client) Run(ctx context.Context) error {
	for _, f := range []func(context.Context) error{c.unary, c.errors, c.serverStream, c.clientStream, c.bidi, c.gaveUp, c.atOnce} {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) unary(ctx context.Context) error {
	if _, err := c.stub.EmptyCall(ctx, new(testgrpc.Empty)); err != nil {
		return err
	}
	for _, size := range []int32{0, 1, 1000, c.Largest} {
		in := &testgrpc.SimpleRequest{ResponseSize: size, Payload: payload(size / 2)}
		if _, err := c.stub.UnaryCall(ctx, in); err != nil {
			return err
		}
		if _, err := c.stub.UnaryCall(ctx, in, grpc.UseCompressor("gzip")); err != nil {
			return err
		}
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "x-tenant", "acme", "authorization", "Bearer secret", "x-blob-bin", "\x00\x01\xff")
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := c.stub.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseSize: 3})
	return err
}

// errors asks for every status, for one with a message that needs escapes, and
// for methods that do not exist.
func (c *Client) errors(ctx context.Context) error {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		message := fmt.Sprintf("asked for %v: 100%% 中\n", code)
		_, err := c.stub.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: int32(code), Message: message}})
		if status.Code(err) != code {
			return fmt.Errorf("asked for %v, got %w", code, err)
		}
	}
	if _, err := c.stub.UnimplementedCall(ctx, new(testgrpc.Empty)); status.Code(err) != codes.Unimplemented {
		return fmt.Errorf("an unimplemented call gave %w", err)
	}
	if err := c.conn.Invoke(ctx, "/no.Service/Here", new(testgrpc.Empty), new(testgrpc.Empty)); status.Code(err) != codes.Unimplemented {
		return fmt.Errorf("an unknown service gave %w", err)
	}
	return nil
}

func sizes(of ...int32) (p []*testgrpc.ResponseParameters) {
	for _, n := range of {
		p = append(p, &testgrpc.ResponseParameters{Size: n})
	}
	return p
}

func (c *Client) serverStream(ctx context.Context) error {
	for _, o := range []*testgrpc.StreamingOutputCallRequest{
		{ResponseParameters: sizes(1, 0, 3141, 9, c.Largest)},
		{ResponseParameters: sizes(5, 6), ResponseStatus: &testgrpc.EchoStatus{Code: int32(codes.DataLoss), Message: "after two"}},
	} {
		s, err := c.stub.StreamingOutputCall(ctx, o)
		if err != nil {
			return err
		}
		for err == nil {
			_, err = s.Recv()
		}
		if err != io.EOF && o.ResponseStatus == nil {
			return err
		}
	}
	return nil
}

func (c *Client) clientStream(ctx context.Context) error {
	s, err := c.stub.StreamingInputCall(ctx, grpc.UseCompressor("gzip"))
	if err != nil {
		return err
	}
	for _, n := range []int32{2718, 8, 1828, 0} {
		if err := s.Send(&testgrpc.StreamingInputCallRequest{Payload: payload(n)}); err != nil {
			return err
		}
	}
	_, err = s.CloseAndRecv()
	return err
}

func (c *Client) bidi(ctx context.Context) error {
	s, err := c.stub.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for _, n := range []int32{3141, 9, 2653, 5897} {
		if err := s.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: sizes(n), Payload: payload(n / 3)}); err != nil {
			return err
		}
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	if _, err := s.Recv(); err != io.EOF {
		return fmt.Errorf("a closed stream gave %w", err)
	}
	return nil
}

// gaveUp ends calls by a deadline and by cancelling.
func (c *Client) gaveUp(ctx context.Context) error {
	late, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := c.stub.UnaryCall(late, &testgrpc.SimpleRequest{FillUsername: true}); status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("a deadline gave %w", err)
	}
	ended, end := context.WithCancel(ctx)
	defer end()
	s, err := c.stub.FullDuplexCall(ended)
	if err != nil {
		return err
	}
	if err := s.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: sizes(3, 4)}); err != nil {
		return err
	}
	for range 2 {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
	end()
	if _, err := s.Recv(); status.Code(err) != codes.Canceled {
		return fmt.Errorf("a cancelled call gave %w", err)
	}
	return nil
}

func (c *Client) atOnce(ctx context.Context) error {
	var wg sync.WaitGroup
	failed := make([]error, 20)
	for i := range failed {
		wg.Go(func() {
			_, failed[i] = c.stub.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseSize: int32(i * 100), Payload: payload(int32(i))})
		})
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}
