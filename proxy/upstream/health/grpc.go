package health

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
)

// GRPC calls grpc.health.v1.Health/Check.
type GRPC struct {
	Service   string // that is asked about; empty for the server as a whole
	Authority string // the host's own name, or Cluster, where empty
	Cluster   string
}

// Name is the kind of check.
func (c *GRPC) Name() string { return "grpc" }

// Ask makes the call.
func (c *GRPC) Ask(ctx context.Context, l *Line) Answer {
	return l.ask(ctx, func(ctx context.Context) Answer {
		message, err := proto.Marshal(&healthpb.HealthCheckRequest{Service: c.Service})
		if err != nil { // the name is no UTF-8
			return Answer{Outcome: Failure, Why: err.Error(), Lag: -1}
		}
		body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
		r, err := http.NewRequestWithContext(ctx, "POST", l.scheme()+"://check"+healthpb.Health_Check_FullMethodName, bytes.NewReader(body))
		if err != nil {
			return failed(err)
		}
		r.Host = l.name(c.Authority, c.Cluster)
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("Te", "trailers")
		r.Header.Set("User-Agent", "pitot-health-check")
		a, err := l.roundTrip2(r)
		if err != nil {
			return failed(err)
		}
		return c.judge(a)
	})
}

// judge finds out what the answer says.
func (c *GRPC) judge(a *http.Response) Answer {
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, maxBody))
	if err != nil {
		return failed(err)
	}
	status := a.Trailer.Get("Grpc-Status")
	if status == "" {
		status = a.Header.Get("Grpc-Status")
	}
	got := Answer{Lag: -1, Degraded: has(a, fieldDegraded)}
	switch {
	case a.StatusCode != 200:
		got.Outcome, got.Why = Failure, fmt.Sprintf("status %d", a.StatusCode)
	case status != "0":
		got.Outcome, got.Why = Failure, fmt.Sprintf("status %.20q of gRPC", status)
	default:
		got.Outcome, got.Why = serving(b)
	}
	return got
}

// serving reads the one message of an answer.
func serving(b []byte) (Outcome, string) {
	var m healthpb.HealthCheckResponse
	if len(b) < 5 || b[0] != 0 || int64(binary.BigEndian.Uint32(b[1:])) != int64(len(b)-5) || proto.Unmarshal(b[5:], &m) != nil {
		return Network, "the answer is not one of gRPC's health protocol"
	}
	if m.Status != healthpb.HealthCheckResponse_SERVING {
		return Failure, m.Status.String()
	}
	return Success, "SERVING"
}
