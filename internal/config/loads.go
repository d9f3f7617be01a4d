package config

import "time"

// LoadWeights has what hosts say about their load decide their weights.
type LoadWeights struct {
	Penalty  float64       `yaml:"error_penalty"`
	Blackout time.Duration `yaml:"blackout"` // for which a host must have been telling
	Expiry   time.Duration `yaml:"expiry"`   // for which a report holds
	Period   time.Duration `yaml:"period"`   // between two computations
}

// WeightedByLoad is the policy that is round robin with weights by load.
const WeightedByLoad = "client_side_weighted_round_robin"

func (w *LoadWeights) setDefaults() {
	*w = LoadWeights{Penalty: 1, Blackout: 10 * time.Second, Expiry: 3 * time.Minute, Period: time.Second}
}

// settleWeights spells out what a policy stands for.
func (c *Cluster) settleWeights() {
	if c.Policy != WeightedByLoad {
		return
	}
	c.Policy = "round_robin"
	if c.LoadWeights == nil {
		c.LoadWeights = new(LoadWeights)
		c.LoadWeights.setDefaults()
	}
}

func (w *LoadWeights) check(key string, wrong report) {
	if !(w.Penalty >= 0 && w.Penalty <= 1000) { // nor NaN
		wrong(key+".error_penalty", "%v is not valid; must be from 0 to 1000", w.Penalty)
	}
	if w.Period < minRefresh {
		wrong(key+".period", "%s is not valid; must be at least %s", w.Period, minRefresh)
	}
	if w.Blackout <= 0 || w.Expiry <= 0 {
		wrong(key+".expiry", "must be more than 0, and blackout, too")
	}
}
