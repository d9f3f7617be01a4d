package ratelimit

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

// stage is the global limits that are one question to the service.
type stage []*Limit

// serviceFailed is how a request is answered about which the service has not,
// where that is not to let it go on.
var serviceFailed = &route.Failure{Status: 500, Flags: event.FlagRLSE, Detail: "rate_limiter_error"}

// question is what the service is asked about q, and by which of the stage's
// limits; none when they are not about it.
func (g stage) question(q *route.Question, domain string) (*rls.RateLimitRequest, []*Limit) {
	r := &rls.RateLimitRequest{Domain: domain}
	var asks []*Limit
	same := true
	for _, l := range g {
		d := l.descriptor(q)
		if d == nil {
			continue
		}
		l.enabled.Add(1)
		asks, r.Descriptors = append(asks, l), append(r.Descriptors, d)
		same = same && l.hits == asks[0].hits
	}
	switch {
	case len(asks) == 0:
	case same:
		r.HitsAddend = uint32(asks[0].hits)
	default:
		for i, l := range asks {
			r.Descriptors[i].HitsAddend = wrapperspb.UInt64(uint64(l.hits))
		}
	}
	return r, asks
}

// descriptor is the limit's descriptor of q; nil when q has none.
func (l *Limit) descriptor(q *route.Question) *ratelimitv3.RateLimitDescriptor {
	d := new(ratelimitv3.RateLimitDescriptor)
	for i := range l.actions {
		a := &l.actions[i]
		v, ok := a.append(nil, (*request)(q))
		switch {
		case ok:
			text := strings.ToValidUTF8(string(v), "\uFFFD") // protobuf takes nothing else
			d.Entries = append(d.Entries, &ratelimitv3.RateLimitDescriptor_Entry{Key: a.key, Value: text})
		case !a.skip:
			return nil
		}
	}
	if len(d.Entries) == 0 {
		return nil
	}
	return d
}

// ask asks the service about q.
func (s *Set) ask(ctx context.Context, q *route.Question, g *stage) *route.Failure {
	v := s.service.Load()
	if v == nil || !v.enter() {
		if v = s.service.Load(); v == nil || !v.enter() { // another has taken its place
			return nil
		}
	}
	defer v.leave()
	r, asks := g.question(q, v.config.Domain)
	if len(asks) == 0 {
		return nil
	}
	a, err := v.ask(ctx, r)
	switch {
	case err == nil:
		return s.judge(q, asks, a)
	case ctx.Err() != nil: // nobody is there to be answered
		return nil
	}
	for _, l := range asks {
		l.unanswered.Add(1)
	}
	if v.config.Deny {
		return serviceFailed
	}
	v.allowed.Add(1)
	return nil
}

// judge does what the service says.
func (s *Set) judge(q *route.Question, asks []*Limit, a *rls.RateLimitResponse) (f *route.Failure) {
	for i, l := range asks {
		if !over(a, i, len(asks)) {
			l.ok.Add(1)
			continue
		}
		if l.refuse(l.entry((*request)(q), s.now()), s.now()) && f == nil {
			f = l.over
		}
	}
	tellStatuses(q, asks, a.GetStatuses())
	if f == nil {
		q.Answer = appendFields(q.Answer, a.GetResponseHeadersToAdd())
		q.Request = appendFields(q.Request, a.GetRequestHeadersToAdd())
		return nil
	}
	return dressed(f, a)
}

// over reports whether descriptor number i of n is over its limit. A service
// may say so of each of them, or of all together.
func over(a *rls.RateLimitResponse, i, n int) bool {
	if a.GetOverallCode() != rls.RateLimitResponse_OVER_LIMIT {
		return false
	}
	all := a.GetStatuses()
	told := false
	for _, s := range all {
		told = told || s.GetCode() == rls.RateLimitResponse_OVER_LIMIT
	}
	return !told || len(all) != n || all[i].GetCode() == rls.RateLimitResponse_OVER_LIMIT
}

// dressed is f with what the service wants the answer to have.
func dressed(f *route.Failure, a *rls.RateLimitResponse) *route.Failure {
	if len(a.GetRawBody()) == 0 && len(a.GetResponseHeadersToAdd()) == 0 {
		return f
	}
	own := *f
	own.Body = string(a.GetRawBody())
	own.Fields = appendFields(f.Fields[:len(f.Fields):len(f.Fields)], a.GetResponseHeadersToAdd())
	return &own
}

// maxAdded bounds how many fields the service may add to a message.
const maxAdded = 32

// appendFields adds what the service wants to be added, as far as it is sound
// and not the connection's own.
func appendFields(fields []http1.Field, add []*core.HeaderValue) []http1.Field {
	for _, h := range add[:min(len(add), maxAdded)] {
		name, value := []byte(strings.ToLower(h.GetKey())), []byte(h.GetValue())
		if len(h.GetRawValue()) > 0 {
			value = h.GetRawValue()
		}
		id := http1.IDOf(name)
		if !sound(name, value) || framing(id, name) {
			continue
		}
		fields = append(fields, http1.Field{Name: name, Value: value, ID: id})
	}
	return fields
}

// sound reports whether a field can stand in a head (RFC 9110, 5.5 and 5.6.2).
func sound(name, value []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(name) > 0 && len(value) == len(bytes.TrimSpace(value))
}

// framing reports whether a field belongs to the connection or says how long
// the message is.
func framing(id http1.FieldID, name []byte) bool {
	switch id {
	case http1.Connection, http1.ContentLength, http1.TransferEncoding, http1.HostField, http1.UpgradeField, http1.KeepAliveField,
		http1.ProxyConnection, http1.TE, http1.Trailer, http1.HTTP2Settings:
		return true
	}
	return string(name) == "content-type" // of the proxy's own answer
}

// tellStatuses has the answer tell of the limits that the service applied: the
// least that is left, and each limit with its window, in seconds.
func tellStatuses(q *route.Question, asks []*Limit, all []*rls.RateLimitResponse_DescriptorStatus) {
	if len(all) != len(asks) {
		return
	}
	var least *rls.RateLimitResponse_DescriptorStatus
	var windows []byte
	for i, s := range all {
		c := s.GetCurrentLimit()
		if c == nil || !asks[i].config.Headers {
			continue
		}
		if least == nil || s.GetLimitRemaining() < least.GetLimitRemaining() {
			least = s
		}
		windows = strconv.AppendUint(append(windows, ", "...), uint64(c.GetRequestsPerUnit()), 10)
		windows = strconv.AppendInt(append(windows, ";w="...), window(c.GetUnit()), 10)
	}
	if least == nil {
		return
	}
	limit := strconv.AppendUint(nil, uint64(least.GetCurrentLimit().GetRequestsPerUnit()), 10)
	tellLimit(q, append(limit, windows...), int64(least.GetLimitRemaining()), least.GetDurationUntilReset().AsDuration())
}

// window is the length of a unit, in seconds.
func window(u rls.RateLimitResponse_RateLimit_Unit) int64 {
	const day = int64(24 * time.Hour / time.Second)
	switch u {
	case rls.RateLimitResponse_RateLimit_SECOND:
		return 1
	case rls.RateLimitResponse_RateLimit_MINUTE:
		return 60
	case rls.RateLimitResponse_RateLimit_HOUR:
		return 3600
	case rls.RateLimitResponse_RateLimit_DAY:
		return day
	case rls.RateLimitResponse_RateLimit_WEEK:
		return 7 * day
	case rls.RateLimitResponse_RateLimit_MONTH:
		return 30 * day
	case rls.RateLimitResponse_RateLimit_YEAR:
		return 365 * day
	}
	return 0
}
