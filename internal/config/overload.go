package config

import (
	"fmt"
	"slices"
	"strings"
)

// Overload says what is done when the proxy itself runs out of something.
type Overload struct {
	MaxMemory      Size             `yaml:"max_memory"`      // 0 for that of the control group, where there is one
	MaxGoroutines  int              `yaml:"max_goroutines"`  // 0 for no limit
	MaxConnections int              `yaml:"max_connections"` // of clients, on all listeners; 0 for no limit
	Actions        []OverloadAction `yaml:"actions"`
}

// OverloadAction is taken when so many percent of a resource are in use: from At
// on for all, and between From and At for a growing share.
type OverloadAction struct {
	Action   string `yaml:"action"`
	Resource string `yaml:"resource"`
	From     int    `yaml:"from"` // 0 for At
	At       int    `yaml:"at"`
}

// The actions against overload.
const (
	StopRequests      = "stop_accepting_requests"
	DisableKeepalive  = "disable_keepalive"
	StopConnections   = "stop_accepting_connections"
	RejectConnections = "reject_connections"
	ShrinkMemory      = "shrink_memory"
)

// The resources that can run out.
const (
	Memory      = "memory"
	Descriptors = "file_descriptors"
	Goroutines  = "goroutines"
	Connections = "connections"
)

func defaultOverload() Overload {
	return Overload{Actions: []OverloadAction{
		{Action: DisableKeepalive, Resource: Descriptors, From: 80, At: 95},
		{Action: StopConnections, Resource: Descriptors, At: 95},
		{Action: DisableKeepalive, Resource: Memory, From: 80, At: 95},
		{Action: ShrinkMemory, Resource: Memory, At: 90},
		{Action: StopRequests, Resource: Memory, At: 95},
		{Action: StopConnections, Resource: Memory, At: 98},
		{Action: StopRequests, Resource: Goroutines, At: 95},
	}}
}

func (o *Overload) check(wrong report) {
	known := func(key, value string, valid ...string) {
		if !slices.Contains(valid, value) {
			wrong(key, "%q is not valid; must be one of %s", value, strings.Join(valid, ", "))
		}
	}
	for i, a := range o.Actions {
		key := fmt.Sprintf("overload.actions[%d]", i)
		known(key+".action", a.Action, StopRequests, DisableKeepalive, StopConnections, RejectConnections, ShrinkMemory)
		known(key+".resource", a.Resource, Memory, Descriptors, Goroutines, Connections)
		within(a.At, 1, 100, key+".at", wrong)
		if a.From > 0 && (a.Action == StopConnections || a.Action == ShrinkMemory) {
			wrong(key+".from", "%s is done or not, for no share; remove it", a.Action)
		} else if a.From < 0 || a.From > a.At {
			wrong(key+".from", "%d is not valid; must be from 0 to at, %d", a.From, a.At)
		}
	}
}
