package proxy

import (
	"cmp"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// balance fills o with how the hosts of c are chosen.
func balance(o *upstream.Options, c *config.Cluster, n *config.Node) (err error) {
	b := c.Balance
	if b == nil {
		b = config.DefaultBalance()
	}
	o.Policy, err = upstream.NewPolicy(c.Policy, tuning(b))
	o.Balance = upstream.Balance{
		Overprovisioning: b.Overprovisioning, PanicThreshold: orNone(b.PanicThreshold), FailInPanic: b.FailInPanic,
		WeightedHealth: b.WeightedHealth, Localities: localities(b), Subsets: subsets(b.Subsets),
	}
	if z := b.ZoneAware; z != nil {
		o.Balance.Zone = &upstream.ZoneAware{
			Own:     upstream.Locality{Region: n.Region, Zone: n.Zone, SubZone: n.SubZone},
			MinSize: z.MinClusterSize, Enabled: orNone(z.RoutingEnabled),
		}
	}
	return err
}

// orNone turns the configuration's 0 into that of options in which 0 is the
// default.
func orNone[T int | float64](v T) T { return cmp.Or(v, -1) }

func tuning(b *config.Balance) upstream.Tuning {
	bias := b.ActiveRequestBias
	return upstream.Tuning{
		Choices: b.ChoiceCount, Bias: &bias, FullScan: b.FullScan,
		SlowStart: upstream.SlowStart{Window: b.SlowStart.Window, Aggression: b.SlowStart.Aggression, MinPercent: orNone(b.SlowStart.MinPercent)},
		RingMin:   b.RingSize.Min, RingMax: b.RingSize.Max, TableSize: b.TableSize, Balance: b.BalanceFactor,
		Decay: b.DecayTime, Initial: b.InitialRTT, Penalty: b.FailurePenalty,
	}
}

func localities(b *config.Balance) (all []upstream.LocalityWeight) {
	for _, l := range b.LocalityWeights {
		all = append(all, upstream.LocalityWeight{
			Locality: upstream.Locality{Region: l.Region, Zone: l.Zone, SubZone: l.SubZone}, Weight: uint32(l.Weight),
		})
	}
	return all
}

func subsets(s *config.Subsets) *upstream.Subsets {
	if s == nil {
		return nil
	}
	all := &upstream.Subsets{Fallback: fallback(s.Fallback), Default: pairs(s.Default), ScaleLocalities: s.ScaleLocalityWeight}
	for _, l := range s.Selectors {
		all.Selectors = append(all.Selectors, upstream.Selector{Keys: l.Keys, Fallback: fallback(l.Fallback), Fewer: l.FallbackKeys, Single: l.Single})
	}
	return all
}

func fallback(s string) upstream.Fallback {
	switch s {
	case config.FallbackNone:
		return upstream.FallbackNone
	case config.FallbackAny:
		return upstream.FallbackAny
	case config.FallbackDefault:
		return upstream.FallbackDefault
	case config.FallbackKeys:
		return upstream.FallbackKeys
	}
	return upstream.FallbackUnset
}

func pairs(p config.Pairs) (all []upstream.Pair) {
	for _, e := range p {
		all = append(all, upstream.Pair{Key: e.Name, Value: e.Value})
	}
	return all
}

// whereabouts are those of the proxy, for a cluster that goes by them.
func whereabouts(c *config.Cluster, n *config.Node) config.Node {
	if c.Balance == nil || c.Balance.ZoneAware == nil {
		return config.Node{}
	}
	return *n
}

// follow has clusters know the proxies that send to them.
func (n *next) follow() {
	for _, c := range n.clusters {
		if c.node.Cluster != "" {
			c.Follow(n.clusters[c.node.Cluster].Cluster)
		}
	}
}
