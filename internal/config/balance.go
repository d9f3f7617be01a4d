package config

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"
)

// Balance says how the hosts of a cluster are chosen, beside the policy. Names
// and defaults are Envoy's.
type Balance struct {
	ChoiceCount       int       `yaml:"choice_count"`        // least_request, peak_ewma: hosts that are drawn
	ActiveRequestBias float64   `yaml:"active_request_bias"` // least_request with weights
	FullScan          bool      `yaml:"full_scan"`           // least_request: look at all instead
	SlowStart         SlowStart `yaml:"slow_start"`          // round_robin, least_request

	RingSize      RingSize `yaml:"ring_size"`           // ring_hash
	TableSize     int      `yaml:"table_size"`          // maglev
	BalanceFactor int      `yaml:"hash_balance_factor"` // ring_hash, maglev: percent; 0 for no bound

	DecayTime      time.Duration `yaml:"decay_time"`      // peak_ewma
	InitialRTT     time.Duration `yaml:"initial_rtt"`     // peak_ewma
	FailurePenalty time.Duration `yaml:"failure_penalty"` // peak_ewma

	Overprovisioning int  `yaml:"overprovisioning_factor"` // percent
	PanicThreshold   int  `yaml:"panic_threshold"`         // percent; 0 for never
	FailInPanic      bool `yaml:"fail_traffic_on_panic"`
	WeightedHealth   bool `yaml:"weighted_priority_health"`

	LocalityWeights []LocalityWeight `yaml:"locality_weights,omitempty"`
	ZoneAware       *ZoneAware       `yaml:"zone_aware,omitempty"` // nil for not
	Subsets         *Subsets         `yaml:"subsets,omitempty"`    // nil for none
}

// SlowStart warms up hosts that are new.
type SlowStart struct {
	Window     time.Duration `yaml:"window"` // 0 for no slow start
	Aggression float64       `yaml:"aggression"`
	MinPercent float64       `yaml:"min_percent"` // of its share that a host gets at once
}

// RingSize bounds the number of places on a ring.
type RingSize struct {
	Min int `yaml:"min"`
	Max int `yaml:"max"`
}

// LocalityWeight is a locality's share of exchanges, beside the others'.
type LocalityWeight struct {
	Region  string `yaml:"region,omitempty"`
	Zone    string `yaml:"zone,omitempty"`
	SubZone string `yaml:"sub_zone,omitempty"`
	Weight  int    `yaml:"weight"`
}

// ZoneAware keeps exchanges where the proxy is, which Node says.
type ZoneAware struct {
	MinClusterSize int `yaml:"min_cluster_size"`
	RoutingEnabled int `yaml:"routing_enabled"` // percent
}

// Subsets divide a cluster's endpoints by their metadata.
type Subsets struct {
	Selectors []Selector `yaml:"selectors"`
	Fallback  string     `yaml:"fallback"` // one of fallbacks but FallbackKeys
	Default   Pairs      `yaml:"default,omitempty"`

	ScaleLocalityWeight bool `yaml:"scale_locality_weight,omitempty"` // by the part of a locality's endpoints that a subset has
}

// Selector makes a subset of each combination of values of its keys.
type Selector struct {
	Keys         []string `yaml:"keys"`
	Fallback     string   `yaml:"fallback,omitempty"` // that of Subsets where it is empty
	FallbackKeys []string `yaml:"fallback_keys,omitempty"`
	Single       bool     `yaml:"single_host_per_subset,omitempty"` // one endpoint has the values, the first of those told
}

// The values of a fallback.
const (
	FallbackNone    = "none"
	FallbackAny     = "any"
	FallbackDefault = "default"
	FallbackKeys    = "keys"
)

// Node says where this proxy is, and who the others like it are.
type Node struct {
	Region  string `yaml:"region"`
	Zone    string `yaml:"zone"`
	SubZone string `yaml:"sub_zone"`
	Cluster string `yaml:"cluster"` // that lists the proxies, this one among them
}

// settle fills in what the environment says.
func (n *Node) settle() {
	n.Region = cmp.Or(n.Region, os.Getenv("PITOT_REGION"))
	n.Zone = cmp.Or(n.Zone, os.Getenv("PITOT_ZONE"))
	n.SubZone = cmp.Or(n.SubZone, os.Getenv("PITOT_SUB_ZONE"))
}

// DefaultBalance is that of a cluster whose file says nothing of it.
func DefaultBalance() *Balance {
	b := new(Balance)
	b.setDefaults()
	return b
}

func (b *Balance) setDefaults() {
	*b = Balance{
		ChoiceCount: 2, ActiveRequestBias: 1, SlowStart: SlowStart{Aggression: 1, MinPercent: 10},
		RingSize: RingSize{1024, maxRing}, TableSize: 65537,
		DecayTime: 10 * time.Second, InitialRTT: 30 * time.Millisecond, FailurePenalty: time.Second,
		Overprovisioning: 140, PanicThreshold: 50,
	}
}

func (z *ZoneAware) setDefaults() { z.MinClusterSize, z.RoutingEnabled = 6, 100 }
func (s *Subsets) setDefaults()   { s.Fallback = FallbackNone }
func (l *LocalityWeight) setDefaults() {
	l.Weight = 1
}

// Bounds of Balance.
const (
	maxChoices  = 64
	maxRing     = 8 << 20
	maxTable    = 5_000_011
	maxBias     = 100
	maxSubKeys  = 16
	maxSelector = 64
)

// tuned are the keys that only some policies look at.
var tuned = []struct {
	key      string
	policies []string
	same     func(b, standard *Balance) bool
}{
	{"choice_count", []string{"least_request", "peak_ewma"}, func(b, s *Balance) bool { return b.ChoiceCount == s.ChoiceCount }},
	{"active_request_bias", []string{"least_request"}, func(b, s *Balance) bool { return b.ActiveRequestBias == s.ActiveRequestBias }},
	{"full_scan", []string{"least_request"}, func(b, s *Balance) bool { return b.FullScan == s.FullScan }},
	{"slow_start", []string{"round_robin", "least_request"}, func(b, s *Balance) bool { return b.SlowStart == s.SlowStart }},
	{"ring_size", []string{"ring_hash"}, func(b, s *Balance) bool { return b.RingSize == s.RingSize }},
	{"table_size", []string{"maglev"}, func(b, s *Balance) bool { return b.TableSize == s.TableSize }},
	{"hash_balance_factor", []string{"ring_hash", "maglev"}, func(b, s *Balance) bool { return b.BalanceFactor == s.BalanceFactor }},
	{"decay_time", []string{"peak_ewma"}, func(b, s *Balance) bool { return b.DecayTime == s.DecayTime }},
	{"initial_rtt", []string{"peak_ewma"}, func(b, s *Balance) bool { return b.InitialRTT == s.InitialRTT }},
	{"failure_penalty", []string{"peak_ewma"}, func(b, s *Balance) bool { return b.FailurePenalty == s.FailurePenalty }},
}

func (c *Config) checkBalance(cl *Cluster, key string, wrong report) {
	b := cl.Balance
	if b == nil {
		return
	}
	if cl.Original() {
		wrong(key, "has no say where clients decide where they go (%s); remove it", OriginalDestination)
		return
	}
	standard := DefaultBalance()
	for _, t := range tuned {
		if !slices.Contains(t.policies, cl.Policy) && !t.same(b, standard) {
			wrong(key+"."+t.key, "is not looked at by policy %s; remove it, or use %s", cl.Policy, strings.Join(t.policies, " or "))
		}
	}
	b.checkPolicy(key, wrong)
	b.checkHealth(key, wrong)
	b.checkLocalities(key, wrong)
	if b.ZoneAware != nil {
		c.checkZoneAware(b, key+".zone_aware", wrong)
	}
	if b.Subsets != nil {
		b.Subsets.check(b, key+".subsets", wrong)
	}
}

// within judges a number.
func within(n, least, most int, key string, wrong report) {
	if n < least || n > most {
		wrong(key, "%d is not valid; must be from %d to %d", n, least, most)
	}
}

func (b *Balance) checkPolicy(key string, wrong report) {
	within(b.ChoiceCount, 2, maxChoices, key+".choice_count", wrong)
	if b.ActiveRequestBias > maxBias {
		wrong(key+".active_request_bias", "%v is not valid; must be from 0 to %d", b.ActiveRequestBias, maxBias)
	}
	s := &b.SlowStart
	if s.Aggression <= 0 {
		wrong(key+".slow_start.aggression", "must be more than 0; 1 grows evenly")
	}
	if s.MinPercent > 100 {
		wrong(key+".slow_start.min_percent", "%v is not valid; must be from 0 to 100", s.MinPercent)
	}
	within(b.RingSize.Max, 1, maxRing, key+".ring_size.max", wrong)
	if b.RingSize.Min < 1 || b.RingSize.Min > b.RingSize.Max {
		wrong(key+".ring_size.min", "%d is not valid; must be from 1 to ring_size.max, which is %d", b.RingSize.Min, b.RingSize.Max)
	}
	if n := b.TableSize; n > maxTable || !big.NewInt(int64(n)).ProbablyPrime(0) { // exact below 2^64
		wrong(key+".table_size", "%d is not valid; must be a prime up to %d, as 65537 or 655373", n, maxTable)
	}
	if f := b.BalanceFactor; f != 0 && f < 100 || f > 100_000 {
		wrong(key+".hash_balance_factor", "%d is not valid; must be 0 for no bound, or a percentage from 100 on, as 150", f)
	}
	for _, d := range []struct {
		key  string
		time time.Duration
	}{{".decay_time", b.DecayTime}, {".initial_rtt", b.InitialRTT}, {".failure_penalty", b.FailurePenalty}} {
		if d.time < time.Millisecond {
			wrong(key+d.key, "%s is not valid; must be 1ms at least", d.time)
		}
	}
}

func (b *Balance) checkHealth(key string, wrong report) {
	within(b.Overprovisioning, 100, 10_000, key+".overprovisioning_factor", wrong)
	within(b.PanicThreshold, 0, 100, key+".panic_threshold", wrong)
	if b.FailInPanic && b.PanicThreshold == 0 {
		wrong(key+".fail_traffic_on_panic", "needs a panic_threshold above 0")
	}
}

func (b *Balance) checkLocalities(key string, wrong report) {
	if len(b.LocalityWeights) > 0 && b.ZoneAware != nil {
		wrong(key, "has both locality_weights and zone_aware; keep one")
	}
	seen, sum := map[LocalityWeight]bool{}, 0
	for i, l := range b.LocalityWeights {
		at := fmt.Sprintf("%s.locality_weights[%d]", key, i)
		within(l.Weight, 0, math.MaxInt32, at+".weight", wrong)
		sum += l.Weight
		l.Weight = 0
		if seen[l] {
			wrong(at, "names a locality that another entry names too; keep one")
		}
		seen[l] = true
	}
	if len(b.LocalityWeights) > 0 && sum == 0 {
		wrong(key+".locality_weights", "no locality has a weight; one at least must have a weight of 1 or more")
	}
}

func (c *Config) checkZoneAware(b *Balance, key string, wrong report) {
	within(b.ZoneAware.MinClusterSize, 1, MaxEndpoints, key+".min_cluster_size", wrong)
	within(b.ZoneAware.RoutingEnabled, 0, 100, key+".routing_enabled", wrong)
	switch n := &c.Node; {
	case n.Region+n.Zone+n.SubZone == "":
		wrong(key, "needs node.zone, or the variable PITOT_ZONE, to know where this proxy is")
	case n.Cluster == "":
		wrong(key, "needs node.cluster, the cluster that lists the proxies with their zones, this one among them")
	}
}

func (c *Config) checkNode(wrong report) { c.checkReference(c.Node.Cluster, "node.cluster", wrong) }

var fallbacks = []string{FallbackNone, FallbackAny, FallbackDefault}

func (s *Subsets) check(b *Balance, key string, wrong report) {
	if !slices.Contains(fallbacks, s.Fallback) {
		wrong(key+".fallback", "%q is not valid; must be one of %s", s.Fallback, strings.Join(fallbacks, ", "))
	}
	if len(s.Selectors) == 0 || len(s.Selectors) > maxSelector {
		wrong(key+".selectors", "has %d entries; must have from 1 to %d, as [{keys: [stage]}]", len(s.Selectors), maxSelector)
	}
	byDefault := s.Fallback == FallbackDefault
	for i := range s.Selectors {
		byDefault = byDefault || s.Selectors[i].Fallback == FallbackDefault
		s.checkSelector(i, fmt.Sprintf("%s.selectors[%d]", key, i), wrong)
	}
	if s.ScaleLocalityWeight && len(b.LocalityWeights) == 0 {
		wrong(key+".scale_locality_weight", "needs locality_weights, which it scales")
	}
	if byDefault != (len(s.Default) > 0) {
		wrong(key+".default", "goes with fallback: default, and only with it")
	}
}

func (s *Subsets) checkSelector(i int, at string, wrong report) {
	l := &s.Selectors[i]
	same := func(a, b []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	}
	within(len(l.Keys), 1, maxSubKeys, at+".keys", wrong)
	if len(slices.Compact(slices.Sorted(slices.Values(l.Keys)))) != len(l.Keys) {
		wrong(at+".keys", "names a key twice; remove one")
	}
	if slices.ContainsFunc(s.Selectors[:i], func(o Selector) bool { return same(o.Keys, l.Keys) }) {
		wrong(at+".keys", "another selector has the same keys; keep one")
	}
	valid := append(slices.Clone(fallbacks), FallbackKeys)
	if l.Single && len(l.Keys) > 1 {
		wrong(at+".single_host_per_subset", "goes with one key")
	}
	if l.Fallback != "" && !slices.Contains(valid, l.Fallback) {
		wrong(at+".fallback", "%q is not valid; must be one of %s", l.Fallback, strings.Join(valid, ", "))
	}
	if (l.Fallback == FallbackKeys) != (len(l.FallbackKeys) > 0) {
		wrong(at+".fallback_keys", "goes with fallback: keys, and only with it")
		return
	}
	if l.Fallback != FallbackKeys {
		return
	}
	for _, k := range l.FallbackKeys {
		if !slices.Contains(l.Keys, k) {
			wrong(at+".fallback_keys", "%q is none of the selector's keys", k)
		}
	}
	if len(l.FallbackKeys) >= len(l.Keys) || !slices.ContainsFunc(s.Selectors, func(o Selector) bool { return same(o.Keys, l.FallbackKeys) }) {
		wrong(at+".fallback_keys", "must be fewer than keys, and the keys of another selector")
	}
}
