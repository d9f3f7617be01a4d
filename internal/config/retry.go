package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Retry says when a request is sent again, and how often.
type Retry struct {
	On             []string      `yaml:"retry_on"`    // of RetryConditions
	Most           int           `yaml:"num_retries"` // tries after the first
	PerTry         time.Duration `yaml:"per_try_timeout"`
	PerTryIdle     time.Duration `yaml:"per_try_idle_timeout"`
	StatusCodes    []int         `yaml:"retriable_status_codes,omitempty"`    // of condition retriable-status-codes
	Headers        []FieldMatch  `yaml:"retriable_headers,omitempty"`         // of answers, of condition retriable-headers
	RequestHeaders []FieldMatch  `yaml:"retriable_request_headers,omitempty"` // only requests that fit one of them; all where it is empty
	BackOff        RetryBackOff  `yaml:"back_off"`
	RateLimited    RetryLimited  `yaml:"rate_limited_back_off"`

	HostPredicates     []string `yaml:"host_predicates"`              // of RetryHostPredicates
	OmitHostMetadata   Pairs    `yaml:"omit_host_metadata,omitempty"` // no host that has one of these
	PreviousPriorities bool     `yaml:"previous_priorities"`          // priorities that were tried are left out
	PriorityEvery      int      `yaml:"update_frequency"`             // after as many tries each time
	HostAttempts       int      `yaml:"host_selection_attempts"`      // for a host that the predicates let pass

	Hedge        Hedge `yaml:"hedge"`
	BodyLimit    Size  `yaml:"body_limit"`       // bytes of a request's body that are kept
	AttemptCount bool  `yaml:"attempt_count"`    // tell the upstream x-envoy-attempt-count
	TimeoutRetry bool  `yaml:"is_timeout_retry"` // and x-envoy-is-timeout-retry
}

// RetryBackOff is how long is waited before a retry: a time drawn from nothing
// to Base, to twice that at the next one, and so on up to Max.
type RetryBackOff struct {
	Base time.Duration `yaml:"base"`
	Max  time.Duration `yaml:"max"` // ten times Base where the file names none
}

// RetryLimited is how long an answer may ask to wait (Retry-After,
// X-RateLimit-Reset).
type RetryLimited struct {
	Max time.Duration `yaml:"max"` // longer is not believed; 0 believes nothing
}

// Hedge says when there is a try beside one that is not answered yet.
type Hedge struct {
	OnPerTryTimeout bool          `yaml:"on_per_try_timeout"`
	Delay           time.Duration `yaml:"delay"`            // after which there is another; 0 for never
	DelayPercentile int           `yaml:"delay_percentile"` // likewise, of the route's latency of late; Delay while that is not known
}

// RetryBudget bounds how many retries a cluster has under way.
type RetryBudget struct {
	Percent    int `yaml:"percent"`     // of the exchanges under way
	MinRetries int `yaml:"min_retries"` // that are allowed in any case
}

// RetryConditions are the valid values of retry_on.
func RetryConditions() []string {
	return []string{
		"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx", "refused-stream",
		"retriable-status-codes", "retriable-headers", "http3-post-connect-failure",
		"cancelled", "deadline-exceeded", "resource-exhausted", "internal", "unavailable",
	}
}

// The predicates of hosts for retries.
const (
	PreviousHosts   = "previous_hosts"    // no host that was tried
	OmitCanaryHosts = "omit_canary_hosts" // none whose metadata says canary: "true"
)

// RetryHostPredicates are the valid values of host_predicates.
func RetryHostPredicates() []string { return []string{PreviousHosts, OmitCanaryHosts} }

// DefaultRetry is the retry section of a file that only says that there is one.
func DefaultRetry() Retry {
	return Retry{
		On:   []string{"connect-failure", "refused-stream", "reset-before-request"}, // nobody has acted on the request then
		Most: 1, BackOff: RetryBackOff{Base: 25 * time.Millisecond, Max: unset}, RateLimited: RetryLimited{Max: 300 * time.Second},
		HostPredicates: []string{PreviousHosts}, PriorityEvery: 1, HostAttempts: 3, BodyLimit: 64 << 10,
	}
}

func (r *Retry) setDefaults() { *r = DefaultRetry() }

// settle fills in what follows from other keys.
func (r *Retry) settle() {
	if r != nil && r.BackOff.Max == unset {
		r.BackOff.Max = 10 * r.BackOff.Base
	}
}

// answers reports whether the route goes nowhere.
func (r *Route) answers() bool {
	return r.Redirect != (Redirect{}) || r.DirectResponse != (DirectResponse{})
}

// checkRetries looks at what the listener and its routes say of retries.
func (l *Listener) checkRetries(key string, wrong report) {
	l.Retry.check(key+".retry", wrong)
	for i := range l.Routes {
		r, at := &l.Routes[i], fmt.Sprintf("%s.routes[%d].retry", key, i)
		if r.Retry != nil && r.answers() {
			wrong(at, "is for requests that go to a cluster; remove it")
		}
		if r.Retry != l.Retry {
			r.Retry.check(at, wrong)
		}
	}
}

// Retries reports whether some of the listener's requests may be sent again by a
// policy.
func (l *Listener) Retries() bool {
	return l.Retry != nil || slices.ContainsFunc(l.Routes, func(r Route) bool { return r.Retry != nil })
}

func (b *RetryBudget) setDefaults() { b.Percent, b.MinRetries = 20, 3 }

// Bounds of retries.
const (
	maxRetries   = 100
	maxBodyLimit = 64 << 20
	maxAttempts  = 100
)

func (r *Retry) check(key string, wrong report) {
	if r == nil {
		return
	}
	oneOf := func(list []string, at string, valid []string) {
		for i, v := range list {
			if !slices.Contains(valid, v) {
				wrong(fmt.Sprintf("%s.%s[%d]", key, at, i), "%q is not valid; must be one of %s", v, strings.Join(valid, ", "))
			}
		}
	}
	oneOf(r.On, "retry_on", RetryConditions())
	oneOf(r.HostPredicates, "host_predicates", RetryHostPredicates())
	if r.Most > maxRetries {
		wrong(key+".num_retries", "%d is not valid; must be from 0 to %d", r.Most, maxRetries)
	}
	for i, s := range r.StatusCodes {
		if s < 200 || s > 599 {
			wrong(fmt.Sprintf("%s.retriable_status_codes[%d]", key, i), "%d is not valid; must be from 200 to 599", s)
		}
	}
	for i := range r.Headers {
		r.Headers[i].check(fmt.Sprintf("%s.retriable_headers[%d]", key, i), true, wrong)
	}
	for i := range r.RequestHeaders {
		r.RequestHeaders[i].check(fmt.Sprintf("%s.retriable_request_headers[%d]", key, i), true, wrong)
	}
	r.checkBounds(key, wrong)
}

func (r *Retry) checkBounds(key string, wrong report) {
	if slices.Contains(r.On, "retriable-status-codes") && len(r.StatusCodes) == 0 {
		wrong(key+".retriable_status_codes", "must name statuses for condition retriable-status-codes")
	}
	if slices.Contains(r.On, "retriable-headers") && len(r.Headers) == 0 {
		wrong(key+".retriable_headers", "must name fields for condition retriable-headers")
	}
	if b := r.BackOff; b.Base < time.Millisecond || b.Max < b.Base {
		wrong(key+".back_off", "%v to %v is not valid; base must be at least 1ms, and max not less", b.Base, b.Max)
	}
	if r.BodyLimit > maxBodyLimit {
		wrong(key+".body_limit", "%s is not valid; must be at most %s", r.BodyLimit, Size(maxBodyLimit))
	}
	if r.HostAttempts < 1 || r.HostAttempts > maxAttempts {
		wrong(key+".host_selection_attempts", "%d is not valid; must be from 1 to %d", r.HostAttempts, maxAttempts)
	}
	if r.PriorityEvery < 1 || r.PriorityEvery > maxAttempts {
		wrong(key+".update_frequency", "%d is not valid; must be from 1 to %d", r.PriorityEvery, maxAttempts)
	}
	if p := r.Hedge.DelayPercentile; p > 99 {
		wrong(key+".hedge.delay_percentile", "%d is not valid; must be from 1 to 99, or 0 for none", p)
	}
	if r.Hedge.OnPerTryTimeout && r.PerTry == 0 {
		wrong(key+".hedge.on_per_try_timeout", "needs per_try_timeout")
	}
}

func (b *RetryBudget) check(key string, wrong report) {
	if b != nil && b.Percent > 100 {
		wrong(key+".percent", "%d is not valid; must be from 0 to 100", b.Percent)
	}
}
