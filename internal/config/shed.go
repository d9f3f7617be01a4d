package config

import "time"

// AdmissionControl turns requests away, by chance, where too few of a route's
// are answered well.
type AdmissionControl struct {
	Window       time.Duration `yaml:"sampling_window"`
	Threshold    int           `yaml:"success_rate_threshold"` // percent of the requests that must be answered well
	Aggression   int           `yaml:"aggression"`
	MaxRejection int           `yaml:"max_rejection_percent"`
	RPSThreshold int           `yaml:"rps_threshold"` // requests a second below which none is turned away
	Success      Statuses      `yaml:"success"`       // of HTTP
}

// Statuses are those of HTTP from one to another.
type Statuses struct {
	From int `yaml:"from"`
	To   int `yaml:"to"`
}

func (a *AdmissionControl) setDefaults() {
	*a = AdmissionControl{Window: 30 * time.Second, Threshold: 95, Aggression: 1, MaxRejection: 80, Success: Statuses{100, 499}}
}

// AdaptiveConcurrency lets no more requests of a route in at once than are
// answered about as fast as when there are few.
type AdaptiveConcurrency struct {
	Percentile int           `yaml:"percentile"` // of latencies that counts
	Interval   time.Duration `yaml:"update_interval"`
	Least      int           `yaml:"min_concurrency"`
	Most       int           `yaml:"max_concurrency"`
	MinRTT     MinRTT        `yaml:"min_rtt"`
}

// MinRTT is how the latency is found out that few requests have.
type MinRTT struct {
	Interval time.Duration `yaml:"interval"`
	Requests int           `yaml:"request_count"`
	Jitter   int           `yaml:"jitter_percent"`
	Buffer   int           `yaml:"buffer_percent"`
	Fixed    time.Duration `yaml:"fixed"` // what it is; nothing is measured then
}

func (a *AdaptiveConcurrency) setDefaults() {
	*a = AdaptiveConcurrency{
		Percentile: 50, Interval: 100 * time.Millisecond, Least: 3, Most: 1000,
		MinRTT: MinRTT{Interval: time.Minute, Requests: 50, Jitter: 15, Buffer: 25},
	}
}

// ShedOf are the limits of one of l's routes: its own, else the listener's.
func (l *Listener) ShedOf(r *Route) (*AdmissionControl, *AdaptiveConcurrency) {
	a, c := r.Admission, r.Concurrency
	if a == nil {
		a = l.Admission
	}
	if c == nil {
		c = l.Concurrency
	}
	return a, c
}

func checkShed(a *AdmissionControl, c *AdaptiveConcurrency, key string, wrong report) {
	if a != nil {
		a.check(key+".admission_control", wrong)
	}
	if c != nil {
		c.check(key+".adaptive_concurrency", wrong)
	}
}

func (a *AdmissionControl) check(key string, wrong report) {
	if a.Window < time.Second || a.Window > time.Hour || a.Window%time.Second != 0 {
		wrong(key+".sampling_window", "%v is not valid; must be whole seconds from 1s to 1h", a.Window)
	}
	within(a.Threshold, 1, 100, key+".success_rate_threshold", wrong)
	within(a.Aggression, 1, 100, key+".aggression", wrong)
	within(a.MaxRejection, 0, 100, key+".max_rejection_percent", wrong)
	if a.Success.From < 100 || a.Success.To > 599 || a.Success.From > a.Success.To {
		wrong(key+".success", "{from: %d, to: %d} is not valid; must be statuses from 100 to 599, as {from: 100, to: 499}", a.Success.From, a.Success.To)
	}
}

func (c *AdaptiveConcurrency) check(key string, wrong report) {
	within(c.Percentile, 1, 100, key+".percentile", wrong)
	if c.Interval < time.Millisecond {
		wrong(key+".update_interval", "%v is not valid; must be at least 1ms", c.Interval)
	}
	within(c.Least, 1, 1<<30, key+".min_concurrency", wrong)
	within(c.Most, max(1, c.Least), 1<<30, key+".max_concurrency", wrong)
	if c.MinRTT.Interval < time.Second {
		wrong(key+".min_rtt.interval", "%v is not valid; must be at least 1s", c.MinRTT.Interval)
	}
	within(c.MinRTT.Requests, 1, 1_000_000, key+".min_rtt.request_count", wrong)
	within(c.MinRTT.Jitter, 0, 100, key+".min_rtt.jitter_percent", wrong)
	within(c.MinRTT.Buffer, 0, 1000, key+".min_rtt.buffer_percent", wrong)
}
