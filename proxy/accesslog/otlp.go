package accesslog

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/format"
)

// Numbers of the fields of opentelemetry/proto/logs/v1 and what it uses.
const (
	requestResourceLogs = 1 // ExportLogsServiceRequest
	resourceOfLogs      = 1 // ResourceLogs
	scopeLogs           = 2
	resourceAttributes  = 1 // Resource
	scopeOfLogs         = 1 // ScopeLogs
	logRecords          = 2
	scopeName           = 1 // InstrumentationScope
	recordTime          = 1 // LogRecord
	recordSeverity      = 2
	recordBody          = 5
	recordAttributes    = 6
	recordTraceID       = 9
	recordSpanID        = 10
	recordObserved      = 11
	keyOf               = 1 // KeyValue
	valueOf             = 2
	stringValue         = 1 // AnyValue
)

// record makes a LogRecord of an exchange: the line is its body, the fields are
// its attributes.
type record struct {
	body   *format.Format
	fields []field
}

func newRecord(body *format.Format, fields []field) *record { return &record{body, fields} }

// append adds a record as a field of ScopeLogs.
func (r *record) append(b []byte, e *format.Entry) []byte {
	return nested(b, logRecords, func(b []byte) []byte {
		x := e.X
		b = protowire.AppendTag(b, recordTime, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, uint64(x.Start))
		b = protowire.AppendTag(b, recordObserved, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, uint64(x.End))
		b = protowire.AppendTag(b, recordSeverity, protowire.VarintType)
		b = protowire.AppendVarint(b, severity(x.HTTP.StatusCode))
		if _, none := r.body.Constant(); !none {
			b = nested(b, recordBody, func(b []byte) []byte {
				return nested(b, stringValue, func(b []byte) []byte { return valid(r.body.AppendText(b, e), len(b)) })
			})
		}
		for i := range r.fields {
			b = r.attribute(b, &r.fields[i], e)
		}
		if !x.TraceID.IsZero() {
			b = protowire.AppendBytes(protowire.AppendTag(b, recordTraceID, protowire.BytesType), x.TraceID[:])
			b = protowire.AppendBytes(protowire.AppendTag(b, recordSpanID, protowire.BytesType), x.SpanID[:])
		}
		return b
	})
}

func (r *record) attribute(b []byte, f *field, e *format.Entry) []byte {
	return nested(b, recordAttributes, func(b []byte) []byte {
		b = protowire.AppendString(protowire.AppendTag(b, keyOf, protowire.BytesType), f.name)
		return nested(b, valueOf, func(b []byte) []byte {
			return nested(b, stringValue, func(b []byte) []byte { return valid(f.format.AppendText(b, e), len(b)) })
		})
	})
}

// severity is that of the semantic conventions: INFO, WARN for 4xx, ERROR for
// 5xx and for no answer.
func severity(status int) uint64 {
	switch {
	case status >= 500 || status == 0:
		return 17
	case status >= 400:
		return 13
	}
	return 9
}

// valid makes b[at:] UTF-8, which text in protobuf must be.
func valid(b []byte, at int) []byte {
	for i := at; i < len(b); i++ {
		if b[i] >= 0x80 {
			return append(b[:at], bytes.ToValidUTF8(b[at:], []byte("\uFFFD"))...)
		}
	}
	return b
}

// nested adds a field whose value add adds. Room for the length is left in its
// longest form that is needed here, 4 bytes, which protobuf allows.
func nested(b []byte, number protowire.Number, add func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	at := len(b)
	b = add(append(b, 0, 0, 0, 0))
	n := uint32(len(b) - at - 4)
	binary.LittleEndian.PutUint32(b[at:], n&0x7f|0x80|(n>>7&0x7f|0x80)<<8|(n>>14&0x7f|0x80)<<16|(n>>21&0x7f)<<24)
	return b
}

// server is a target that takes OTLP over HTTP.
type server struct {
	c      *config.LogServer
	client http.Client
	before []byte // of the records, in ResourceLogs: resource and scope
	body   []byte
}

// Server makes the output of a server that takes OTLP.
func Server(c *config.LogServer, limit int, log *slog.Logger) *Output {
	return newOutput(c.Endpoint, newServer(c), limit, log)
}

func newServer(c *config.LogServer) *server {
	s := &server{c: c, client: http.Client{Timeout: c.Timeout, Transport: &http.Transport{MaxIdleConns: 1, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment}}}
	text := func(b []byte, number protowire.Number, v string) []byte {
		return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), v)
	}
	s.before = nested(nil, resourceOfLogs, func(b []byte) []byte {
		return nested(b, resourceAttributes, func(b []byte) []byte {
			b = text(b, keyOf, "service.name")
			return nested(b, valueOf, func(b []byte) []byte { return text(b, stringValue, c.Service) })
		})
	})
	return s
}

// Tries of one delivery, and what lies between them at first.
const (
	tries   = 4
	backoff = 250 * time.Millisecond
)

// maxAnswer is how much of a server's answer is read, in bytes.
const maxAnswer = 64 << 10

func (s *server) deliver(ctx context.Context, records []byte) error {
	s.body = nested(s.body[:0], requestResourceLogs, func(b []byte) []byte {
		b = append(b, s.before...)
		return nested(b, scopeLogs, func(b []byte) []byte {
			b = nested(b, scopeOfLogs, func(b []byte) []byte {
				return protowire.AppendString(protowire.AppendTag(b, scopeName, protowire.BytesType), "pitot.access_log")
			})
			return append(b, records...)
		})
	})
	wait := backoff
	for n := 1; ; n++ {
		again, err := s.post(ctx)
		if err == nil || !again || n == tries {
			return err
		}
		select {
		case <-time.After(wait):
			wait *= 2
		case <-ctx.Done():
			return err
		}
	}
}

// post sends the body once; again says that another try may help.
func (s *server) post(ctx context.Context) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.c.Endpoint, bytes.NewReader(s.body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	for _, p := range s.c.Headers {
		req.Header.Set(p.Name, p.Value)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	switch c := resp.StatusCode; {
	case c < 300:
		return false, nil
	case c == 429 || c == 502 || c == 503 || c == 504: // as the specification of OTLP has it
		return true, fmt.Errorf("status %s", strconv.Itoa(c))
	default:
		return false, fmt.Errorf("status %s", strconv.Itoa(c))
	}
}

func (s *server) reopen() error { return nil }

func (s *server) close() error {
	s.client.CloseIdleConnections()
	return nil
}
