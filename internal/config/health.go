package config

import (
	"fmt"
	"strconv"
	"strings"
)

// HealthCheck says where a listener answers who asks how pitot itself is.
type HealthCheck struct {
	Path     string `yaml:"path,omitempty"`     // that HTTP asks at
	GRPC     bool   `yaml:"grpc,omitempty"`     // grpc.health.v1.Health is answered here
	Clusters Pairs  `yaml:"clusters,omitempty"` // the least share of healthy hosts, as 50%, by cluster
}

// None reports whether nothing is answered.
func (h *HealthCheck) None() bool { return h.Path == "" && !h.GRPC }

// ParseShare reads a share of 1% to 100%, in percent.
func ParseShare(s string) (int, error) {
	number, ok := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || n > 100 {
		return 0, fmt.Errorf("%q is not valid; must be from 1%% to 100%%", s)
	}
	return n, nil
}

func (c *Config) checkHealth(l *Listener, key string, wrong report) {
	h := &l.HealthCheck
	switch {
	case !h.None() && l.Protocol != HTTP && l.Protocol != Auto:
		wrong(key, "only HTTP has health checks; remove it, or set protocol to %s or %s", HTTP, Auto)
	case h.None() && len(h.Clusters) > 0:
		wrong(key, "must have path, as /healthz, or grpc: true")
	case h.GRPC && !l.Speaks(HTTP20):
		wrong(key+".grpc", "needs HTTP/2, which http_versions does not have")
	}
	if h.Path != "" && (h.Path[0] != '/' || strings.ContainsFunc(h.Path, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '?' || r == '#' })) {
		wrong(key+".path", "%q is not valid; must be a path, as /healthz", h.Path)
	}
	for _, p := range h.Clusters {
		c.checkReference(p.Name, key+".clusters."+p.Name, wrong)
		if _, err := ParseShare(p.Value); err != nil {
			wrong(key+".clusters."+p.Name, "%v", err)
		}
	}
}
