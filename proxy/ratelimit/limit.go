package ratelimit

import (
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/mongo"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Limit is one rate limit of the configuration, for as long as that names it
// unchanged.
type Limit struct {
	config  *config.RateLimit
	name    string
	enforce bool
	hits    int64
	actions []action
	rate    rate
	seed    maphash.Seed
	whole   *entry // of all requests, where there are no actions
	keys    *table // else
	over    *route.Failure
	refusal *mongo.Refusal // as over, of a command

	override *ratelimitv3.RateLimitDescriptor_RateLimitOverride // what the service is told to allow; nil for what it knows

	telling telling
	notice  func(*event.Notice) // takes what is told
	texts   sync.Pool           // of *[]byte, for keys

	enabled    atomic.Uint64 // requests that the limit is about
	ok         atomic.Uint64 // of these, those within the limit
	limited    atomic.Uint64 // beyond it
	enforced   atomic.Uint64 // of these, those that were refused
	unanswered atomic.Uint64 // that nobody counted, as the service did not answer
}

// newLimit makes the limit of c, which must have been checked.
func newLimit(c *config.RateLimit, now int64, notice func(*event.Notice)) (*Limit, error) {
	l := &Limit{config: c, name: c.Name, enforce: c.Enforce, hits: int64(c.Hits), seed: maphash.MakeSeed(), notice: notice}
	var err error
	if l.actions, err = newActions(c.Actions); err != nil {
		return nil, err
	}
	if !c.Global {
		l.rate = newRate(&c.Bucket)
	}
	if len(l.actions) == 0 {
		l.whole = new(entry)
		l.whole.reset(&l.rate, now)
	} else {
		l.keys = newTable(c.MaxKeys)
	}
	l.over = overLimit(c)
	l.refusal = mongo.RateLimited(fmt.Sprintf("rate limit %q: too many commands of this kind", c.Name))
	if o := c.Override; o != nil {
		unit := typev3.RateLimitUnit(typev3.RateLimitUnit_value[strings.ToUpper(o.Unit)])
		l.override = &ratelimitv3.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: uint32(o.Requests), Unit: unit}
	}
	l.telling = telling{limit: l, quiet: quietFor(&l.rate)}
	l.texts.New = func() any { b := make([]byte, 0, 2*maxKey); return &b }
	return l, nil
}

// resourceExhausted is gRPC's status.
const resourceExhausted = 8

// overLimit is how a request is answered that is too many.
func overLimit(c *config.RateLimit) *route.Failure {
	f := &route.Failure{
		Status: c.Status, Flags: event.FlagRL, Detail: "local_rate_limited",
		Fields: []http1.Field{{Name: []byte("x-envoy-ratelimited"), Value: []byte("true")}},
	}
	if c.Global {
		f.Detail = "request_rate_limited"
	}
	if c.Exhausted {
		f.GRPC = resourceExhausted
	}
	return f
}

// entry is where s is counted at now; nil when the limit is not about it.
func (l *Limit) entry(s subject, now int64) (e *entry) {
	if l.whole != nil {
		return l.whole
	}
	text := l.texts.Get().(*[]byte)
	defer l.texts.Put(text)
	key, ok := appendKey((*text)[:0], l.actions, s, l.seed)
	if *text = key; ok {
		e = l.keys.find(key, &l.rate, now)
	}
	return e
}

// tell tells what began or ended for the requests of e.
func (l *Limit) tell(s event.Severity, e *entry, phase string, refused int64, body string) {
	l.notice(&event.Notice{
		Time: time.Now().UnixNano(), Name: event.EventLimited, Severity: s, Body: body,
		Attributes: []event.KeyValue{
			{Key: event.AttrLimit, Value: l.name}, {Key: event.AttrLimitKey, Value: shown(e.key)}, {Key: event.AttrPhase, Value: phase},
			{Key: event.AttrLimitEnforced, Value: strconv.FormatBool(l.enforce)}, {Key: event.AttrLimitRefused, Value: strconv.FormatInt(refused, 10)},
		},
	})
}

// Stats are the limit's numbers, after Envoy's.
func (l *Limit) Stats() []upstream.Stat {
	all := []upstream.Stat{
		{Name: "enabled", Value: l.enabled.Load()},
		{Name: "enforced", Value: l.enforced.Load()},
		{Name: "ok", Value: l.ok.Load()},
		{Name: "rate_limited", Value: l.limited.Load()},
		{Name: "untold", Value: l.telling.untold.Load()},
	}
	if l.config.Global {
		all = append(all, upstream.Stat{Name: "unanswered", Value: l.unanswered.Load()})
	}
	if l.keys != nil && !l.config.Global {
		all = append(all, upstream.Stat{Name: "keys", Value: uint64(l.keys.size()), Gauge: true},
			upstream.Stat{Name: "keys_evicted", Value: l.keys.evicted.Load()})
	}
	return all
}
