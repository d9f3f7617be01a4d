package proxy

import (
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// limit gives a cluster's options what bounds it; what is not named is as
// upstream has it by default.
func limit(o *upstream.Options, c *config.Cluster) {
	if b := c.CircuitBreakers; b != nil {
		o.Breakers = [2]upstream.Thresholds{thresholds(b.Default), thresholds(b.High)}
		o.HostConnections = int64(b.PerHost.MaxConnections)
	}
	if b := c.ConnectBackoff; b != nil {
		o.Backoff = upstream.Backoff{Base: orNever(b.Base), Max: b.Max}
	}
}

func thresholds(b config.Breaker) upstream.Thresholds {
	none := func(n int) int64 { // where upstream takes 0 for its default
		if n == 0 {
			return -1
		}
		return int64(n)
	}
	return upstream.Thresholds{Connections: none(b.MaxConnections), Pending: none(b.MaxPending), Requests: none(b.MaxRequests), Retries: none(b.MaxRetries)}
}
