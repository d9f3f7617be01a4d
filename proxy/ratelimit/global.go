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
func (g stage) question(q subject, domain string) (*rls.RateLimitRequest, []*Limit) {
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

// concerns reports whether q has a descriptor of the limit.
func (l *Limit) concerns(q subject) bool {
	if q.spares(l) {
		return false
	}
	text := l.texts.Get().(*[]byte)
	defer l.texts.Put(text)
	key, ok := appendKey((*text)[:0], l.actions, q, l.seed)
	*text = key
	return ok
}

// descriptor is the limit's descriptor of q; nil when q has none.
func (l *Limit) descriptor(q subject) *ratelimitv3.RateLimitDescriptor {
	if q.spares(l) {
		return nil
	}
	d := &ratelimitv3.RateLimitDescriptor{Limit: l.override}
	for i := range l.actions {
		a := &l.actions[i]
		v, ok := a.append(nil, q)
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

// judgement is what the service says of a subject.
type judgement struct {
	asks   []*Limit
	answer *rls.RateLimitResponse // nil when it was not asked, or has not answered
	over   *Limit                 // the first that refuses; nil for none
	denied bool                   // it has not answered, and nothing goes on without
}

// consult asks the service about q.
func (s *Set) consult(ctx context.Context, q subject, g stage) (v judgement) {
	to := s.service.Load()
	if to == nil || !to.enter() {
		if to = s.service.Load(); to == nil || !to.enter() { // another has taken its place
			return v
		}
	}
	defer to.leave()
	r, asks := g.question(q, to.config.Domain)
	if len(asks) == 0 {
		return v
	}
	a, err := to.ask(ctx, r)
	switch {
	case err == nil:
		return judgement{asks: asks, answer: a, over: s.judge(q, asks, a)}
	case ctx.Err() != nil: // nobody is there to be answered
		return v
	}
	for _, l := range asks {
		l.unanswered.Add(1)
	}
	if v.denied = to.config.Deny; !v.denied {
		to.allowed.Add(1)
	}
	return v
}

// judge counts what the service says, and gives the first limit that refuses.
func (s *Set) judge(q subject, asks []*Limit, a *rls.RateLimitResponse) (first *Limit) {
	for i, l := range asks {
		if !over(a, i, len(asks)) {
			l.ok.Add(1)
			continue
		}
		if l.refuse(l.entry(q, s.now()), s.now()) && first == nil {
			first = l
		}
	}
	return first
}

// ask asks the service about a request of HTTP.
func (s *Set) ask(ctx context.Context, q *route.Question, g stage) *route.Failure {
	v := s.consult(ctx, (*request)(q), g)
	switch {
	case v.denied:
		return serviceFailed
	case v.answer == nil:
		return nil
	}
	tellStatuses(q, v.asks, v.answer.GetStatuses())
	if v.over == nil {
		q.Answer = appendFields(q.Answer, v.answer.GetResponseHeadersToAdd())
		q.Request = appendFields(q.Request, v.answer.GetRequestHeadersToAdd())
		return nil
	}
	return dressed(v.over.over, v.answer)
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
