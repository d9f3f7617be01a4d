package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Service asks a rate limit service, on one connection that is kept, to a host
// of its cluster.
type Service struct {
	config  *config.RateLimitService
	cluster func() *upstream.Cluster
	notice  func(*event.Notice)
	now     func() int64 // ns
	channel *grpc.ClientConn
	client  rls.RateLimitServiceClient
	breaker breaker

	mu     sync.Mutex // guards what follows
	conn   *upstream.Conn
	asking int
	closed bool

	ok         atomic.Uint64
	overLimit  atomic.Uint64
	failed     atomic.Uint64
	allowed    atomic.Uint64 // requests that went on without an answer
	unasked    atomic.Uint64 // of failed, those for which the breaker was open
	unanswered atomic.Uint64 // failures since the breaker opened, for the notice
}

// maxAnswer bounds an answer of the service, in bytes.
const maxAnswer = 64 << 10

// NewService makes a client of the service of c; it dials nothing yet. cluster
// is where the service is, at any time; nil when that is nowhere. Close it.
func NewService(c *config.RateLimitService, cluster func() *upstream.Cluster, notice func(*event.Notice)) (*Service, error) {
	s := &Service{config: c, cluster: cluster, notice: notice, now: clock()}
	retry := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}
	var err error
	s.channel, err = grpc.NewClient("passthrough:///rate-limit-service",
		grpc.WithContextDialer(s.dial), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithIdleTimeout(0),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // what TLS there is, the cluster speaks
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, fmt.Errorf("rate_limit_service: %w", err)
	}
	s.client = rls.NewRateLimitServiceClient(s.channel)
	return s, nil
}

var errNowhere = errors.New("the cluster of the rate limit service is gone")

// dial connects to a host that the cluster's balancer picks.
func (s *Service) dial(ctx context.Context, _ string) (net.Conn, error) {
	c := s.cluster()
	if c == nil {
		return nil, errNowhere
	}
	w := upstream.Want{Now: time.Now().UnixNano(), Whole: true}
	host, err := c.Pick(ctx, &w)
	if err != nil {
		return nil, err
	}
	defer w.Done(host)
	conn, err := host.Dial(ctx)
	if err != nil {
		return nil, err
	}
	conn.OnRetire(func() { _ = conn.Close() }) // another takes its place
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	return conn, nil
}

// errAway says that the service has not answered of late, and was not asked.
var errAway = errors.New("the rate limit service does not answer")

// errVague says that it has, but not whether a request may go on.
var errVague = errors.New("the rate limit service answers neither OK nor OVER_LIMIT")

// ask asks the service, within its timeout. An error that is ctx's is no
// failure of the service.
func (s *Service) ask(ctx context.Context, q *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
	if !s.breaker.allows(s.now()) {
		s.unasked.Add(1)
		return nil, s.fails(errAway)
	}
	limited, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	began := time.Now()
	r, err := s.client.ShouldRateLimit(limited, q)
	if err != nil && ctx.Err() != nil {
		s.breaker.gaveUp()
		return nil, ctx.Err()
	}
	s.report(err, time.Since(began))
	if code := r.GetOverallCode(); err == nil && code != rls.RateLimitResponse_OK && code != rls.RateLimitResponse_OVER_LIMIT {
		err = errVague
	}
	if err != nil {
		return nil, s.broke(err)
	}
	if s.breaker.succeeded() {
		s.back()
	}
	if r.GetOverallCode() == rls.RateLimitResponse_OK {
		s.ok.Add(1)
	} else {
		s.overLimit.Add(1)
	}
	return r, nil
}

// report tells the service's cluster what became of a question.
func (s *Service) report(err error, took time.Duration) {
	conn := s.connection()
	if conn == nil {
		return
	}
	r := upstream.Result{Now: time.Now().UnixNano(), Took: took}
	switch status.Code(err) {
	case codes.OK:
		r.Status = 200
	case codes.DeadlineExceeded:
		r.Failure = upstream.Timeout
	case codes.Unavailable:
		r.Failure = upstream.RxReset
	default:
		r.Status = 500
	}
	conn.Host().Report(&r)
}

// connection is the one that was made last; nil before the first.
func (s *Service) connection() *upstream.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// fails counts a question without an answer.
func (s *Service) fails(err error) error {
	s.failed.Add(1)
	s.unanswered.Add(1)
	return err
}

// broke counts a failure of the service. When there are too many, the
// connection is given up: it may lead to where nobody is any more.
func (s *Service) broke(err error) error {
	n := s.breaker.failed(s.now())
	if conn := s.connection(); n >= tripAfter && conn != nil {
		_ = conn.Close() // who reads there sees it
	}
	if n == tripAfter {
		s.unanswered.Store(0)
		s.tell(event.Warn, event.PhaseBegin, "the rate limit service does not answer, and requests "+s.fate()+": "+err.Error())
	}
	return s.fails(err)
}

// Connect sees to it that there is a connection, so that no request needs to
// wait for one.
func (s *Service) Connect() { s.channel.Connect() }

// fate is what becomes of requests without the service.
func (s *Service) fate() string {
	if s.config.Deny {
		return "are refused (failure_mode_deny)"
	}
	return "go on without it"
}

// back tells that the service answers again.
func (s *Service) back() {
	s.tell(event.Info, event.PhaseEnd, "the rate limit service answers again, after "+strconv.FormatUint(s.unanswered.Load(), 10)+" questions without an answer")
}

func (s *Service) tell(severity event.Severity, phase, body string) {
	s.notice(&event.Notice{
		Time: time.Now().UnixNano(), Name: event.EventLimiter, Severity: severity, Body: body,
		Attributes: []event.KeyValue{
			{Key: event.AttrPhase, Value: phase}, {Key: event.AttrLimitUnanswered, Value: strconv.FormatUint(s.unanswered.Load(), 10)},
		},
	})
}

// Stats are the service's numbers, under Envoy's names and some of our own.
func (s *Service) Stats() []upstream.Stat {
	open := uint64(0)
	if s.breaker.open() {
		open = 1
	}
	return []upstream.Stat{
		{Name: "ok", Value: s.ok.Load()},
		{Name: "over_limit", Value: s.overLimit.Load()},
		{Name: "error", Value: s.failed.Load()},
		{Name: "failure_mode_allowed", Value: s.allowed.Load()},
		{Name: "unasked", Value: s.unasked.Load()},
		{Name: "away", Value: open, Gauge: true},
	}
}

// enter is called before asking; false when the service was closed. leave ends
// it.
func (s *Service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.asking++
	}
	return !s.closed
}

func (s *Service) leave() {
	s.mu.Lock()
	s.asking--
	last := s.closed && s.asking == 0
	s.mu.Unlock()
	if last {
		_ = s.channel.Close() // fails only when closed
	}
}

// Close ends the connection once those have their answer who wait for one.
func (s *Service) Close() {
	s.mu.Lock()
	idle := !s.closed && s.asking == 0
	s.closed = true
	s.mu.Unlock()
	if idle {
		_ = s.channel.Close() // fails only when closed
	}
}
