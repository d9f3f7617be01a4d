package config

import "time"

// CircuitBreakers bound what is under way at a cluster at once, for routes of
// each priority by itself.
type CircuitBreakers struct {
	Default Breaker `yaml:"default"`
	High    Breaker `yaml:"high"`
	PerHost PerHost `yaml:"per_host"`
}

// Breaker is how much may be under way of the exchanges of one priority; 0 is
// nothing at all.
type Breaker struct {
	MaxConnections int `yaml:"max_connections"`      // the first to an endpoint always may be
	MaxPending     int `yaml:"max_pending_requests"` // that wait for a connection, or for room on one
	MaxRequests    int `yaml:"max_requests"`
	MaxRetries     int `yaml:"max_retries"` // where no retry_budget says how many
}

// PerHost is how much may be under way at one endpoint.
type PerHost struct {
	MaxConnections int `yaml:"max_connections"` // 0 for no limit
}

func (b *CircuitBreakers) setDefaults() {
	b.Default = Breaker{MaxConnections: 1024, MaxPending: 1024, MaxRequests: 1024, MaxRetries: 3}
	b.High = b.Default
}

// ConnectBackoff is for how long an endpoint that could not be connected to is
// passed over, where there is another: from Base, doubled with every try that
// fails, up to Max.
type ConnectBackoff struct {
	Base time.Duration `yaml:"base"` // 0 for never
	Max  time.Duration `yaml:"max"`
}

func (b *ConnectBackoff) setDefaults() { *b = ConnectBackoff{100 * time.Millisecond, 10 * time.Second} }

// The priorities of routes.
const (
	PriorityDefault = "default"
	PriorityHigh    = "high"
)

// maxThreshold is what is as good as no limit.
const maxThreshold = 1<<31 - 1

func (c *Cluster) checkBreakers(key string, wrong report) {
	if b := c.CircuitBreakers; b != nil {
		for _, x := range []struct {
			name  string
			value int
		}{
			{"default.max_connections", b.Default.MaxConnections}, {"default.max_pending_requests", b.Default.MaxPending},
			{"default.max_requests", b.Default.MaxRequests}, {"default.max_retries", b.Default.MaxRetries},
			{"high.max_connections", b.High.MaxConnections}, {"high.max_pending_requests", b.High.MaxPending},
			{"high.max_requests", b.High.MaxRequests}, {"high.max_retries", b.High.MaxRetries},
			{"per_host.max_connections", b.PerHost.MaxConnections},
		} {
			if x.value > maxThreshold {
				wrong(key+".circuit_breakers."+x.name, "%d is not valid; must be from 0 to %d", x.value, maxThreshold)
			}
		}
	}
	if b := c.ConnectBackoff; b != nil && b.Base > 0 && b.Max < b.Base {
		wrong(key+".connect_backoff.max", "%v is less than connect_backoff.base, %v; make it as much or more", b.Max, b.Base)
	}
}

func (r *Route) checkPriority(key string, wrong report) {
	if r.Priority != "" && r.Priority != PriorityDefault && r.Priority != PriorityHigh {
		wrong(key+".priority", "%q is not valid; must be one of %s, %s", r.Priority, PriorityDefault, PriorityHigh)
	}
}
