package config

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// maxDelay bounds what a request may be made to wait.
const maxDelay = time.Hour

// checkFaults checks the faults of l, or of one of its routes.
func (c *Config) checkFaults(l *Listener, faults []Fault, key string, wrong report) {
	if len(faults) > 0 && l.Protocol != HTTP && l.Protocol != MongoDB && l.Protocol != Auto {
		wrong(key, "only HTTP and MongoDB have faults; remove them, or set protocol to %s, %s or %s", HTTP, MongoDB, Auto)
	}
	for i := range faults {
		c.checkFault(l, &faults[i], fmt.Sprintf("%s[%d]", key, i), wrong)
	}
}

func (c *Config) checkFault(l *Listener, f *Fault, key string, wrong report) {
	if f.None() {
		wrong(key, "does nothing; must have delay, abort, request_rate, response_rate, cut or headers: true")
	}
	c.checkFaultMatch(l, &f.Match, key+".match", wrong)
	f.Delay.check(key+".delay", wrong)
	f.Abort.check(l, key+".abort", wrong)
	for _, r := range []struct {
		key string
		r   FaultRate
	}{{".request_rate", f.RequestRate}, {".response_rate", f.ResponseRate}} {
		if r.r != (FaultRate{}) && r.r.Limit < 1 {
			wrong(key+r.key+".limit", "must be there: bytes in a second, as 64KiB")
		}
		checkPercent(r.r.Percent, key+r.key+".percent", wrong)
	}
	checkPercent(f.Cut.Percent, key+".cut.percent", wrong)
	if f.Cut != (FaultCut{}) && f.Cut.After < 1 {
		wrong(key+".cut.after", "must be there: bytes of the answer that still pass, as 1KiB; abort with reset: true lets none pass")
	}
	checkNetworks(f.Trusted, key+".trusted", wrong)
	switch {
	case f.Headers && l.Protocol == MongoDB:
		wrong(key+".headers", "MongoDB has no headers; remove it")
	case f.Headers && l.UseRemote && len(f.Trusted) == 0:
		wrong(key+".trusted", "must name the networks whose clients may ask for faults, as [10.0.0.0/8], as this is an edge (use_remote_address)")
	case !f.Headers && len(f.Trusted) > 0:
		wrong(key+".trusted", "says whose headers are believed; needs headers: true")
	}
}

func (c *Config) checkFaultMatch(l *Listener, m *FaultMatch, key string, wrong report) {
	for i := range m.Headers {
		m.Headers[i].check(fmt.Sprintf("%s.headers[%d]", key, i), true, wrong)
	}
	for i, name := range m.Clusters {
		c.checkReference(name, fmt.Sprintf("%s.clusters[%d]", key, i), wrong)
	}
	checkNetworks(m.Clients, key+".clients", wrong)
	switch {
	case len(m.Headers) > 0 && l.Protocol == MongoDB:
		wrong(key+".headers", "MongoDB has no headers; match by commands, databases, collections or call_sites")
	case m.MongoDB() && l.Protocol == HTTP:
		wrong(key, "HTTP has no commands, databases, collections and call_sites; match by headers, clusters or clients")
	case m.MongoDB() && len(m.Headers) > 0:
		wrong(key, "nothing has both headers and commands; make two faults of it")
	}
}

func checkNetworks(all []string, key string, wrong report) {
	for i, n := range all {
		if _, err := ParseNetwork(n); err != nil {
			wrong(fmt.Sprintf("%s[%d]", key, i), "%q is not valid; must be a network as 10.0.0.0/8, or an address", n)
		}
	}
}

func checkPercent(s, key string, wrong report) {
	if _, err := ParsePercent(s); err != nil {
		wrong(key, "%q is not valid; %v", s, err)
	}
}

func (d *FaultDelay) check(key string, wrong report) {
	checkPercent(d.Percent, key+".percent", wrong)
	ways := 0
	for _, there := range []bool{d.Fixed != 0, d.From != 0 || d.To != 0, len(d.Percentiles) > 0} {
		if there {
			ways++
		}
	}
	points, err := ParsePercentiles(d.Percentiles)
	if err != nil {
		wrong(key+".percentiles", "%v", err)
	}
	longest := max(d.Fixed, d.To)
	for _, p := range points {
		longest = max(longest, p.Time)
	}
	switch {
	case !d.none() && ways != 1:
		wrong(key, "must have one of fixed, from and to, and percentiles")
	case d.From > d.To:
		wrong(key+".to", "must not be less than from")
	case longest > maxDelay:
		wrong(key, "is longer than %v", maxDelay)
	}
}

func (a *FaultAbort) check(l *Listener, key string, wrong report) {
	checkPercent(a.Percent, key+".percent", wrong)
	ways := 0
	for _, there := range []bool{a.Status != 0, a.GRPC != "", a.Reset} {
		if there {
			ways++
		}
	}
	if ways > 1 || a.Reset && !a.MongoDB.None() {
		wrong(key, "has more than one of status, grpc, reset and mongodb; keep one")
	}
	if !a.None() && ways == 0 && a.MongoDB.None() {
		wrong(key, "must have status, grpc, reset: true or mongodb")
	}
	if a.Status != 0 && (a.Status < 200 || a.Status > 599) {
		wrong(key+".status", "%d is not valid; must be from 200 to 599", a.Status)
	}
	if _, ok := ParseGRPC(a.GRPC); a.GRPC != "" && !ok {
		wrong(key+".grpc", "%q is not valid%s; must be one of %s", a.GRPC, suggest(strings.ToUpper(a.GRPC), grpcStatuses[1:]), strings.Join(grpcStatuses[1:], ", "))
	}
	if !a.MongoDB.None() && (a.MongoDB.Code < 1 || a.MongoDB.Code > math.MaxInt32) {
		wrong(key+".mongodb.code", "%d is not valid; must be one of the server's error codes, as 91", a.MongoDB.Code)
	}
	switch {
	case l.Protocol == MongoDB && (a.Status != 0 || a.GRPC != ""):
		wrong(key, "MongoDB has neither status nor grpc; use mongodb, as {code: 91}, or reset: true")
	case l.Protocol == HTTP && !a.MongoDB.None():
		wrong(key+".mongodb", "is for MongoDB; use status, grpc or reset: true")
	}
}
