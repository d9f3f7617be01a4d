// Package store serves the embedded ClickHouse engine (libchdb) over ClickHouse's HTTP interface, so that any ClickHouse client
// can write to it and ask it. It knows SQL and bytes, nothing of traffic.
package store

import "time"

// Options describes one store. Zero values mean the defaults named beside each field.
type Options struct {
	Library string // path of libchdb; "" looks in the places of package library
	Data    string // folder of the data; required; one process at a time holds it
	Listen  string // host:port; "" is 127.0.0.1:8123

	User, Password string // ask for these when Password is set; User "" is "default"
	ReadOnly       bool   // refuse everything that writes

	WhileLeased bool // end when the last lease (see LeasePath) has gone, or when none came within LeaseGrace

	Limits Limits
}

// Limits bounds what a client can make the store hold. Sizes are bytes.
type Limits struct {
	QueryBytes    int64         // SQL text; default 16 MiB
	BodyBytes     int64         // request body after decoding, inserted data included; default 4 GiB
	ResultBytes   int64         // results of formats that cannot be streamed; default 1 GiB
	Params        int           // URL parameters of a request; default 1000
	Queries       int           // running at the same time, others wait; default 64
	Sessions      int           // kept by session_id; default 64
	HeaderTimeout time.Duration // to receive a request's head; default 10 s
	LeaseGrace    time.Duration // for the first lease; default 30 s
	DrainTimeout  time.Duration // for running queries at Close; default 10 s
}

// DefaultListen is where a store listens unless told otherwise.
const DefaultListen = "127.0.0.1:8123"

func (o Options) withDefaults() Options {
	o.Listen = or(o.Listen, DefaultListen)
	o.User = or(o.User, "default")
	l := &o.Limits
	l.QueryBytes = or(l.QueryBytes, 16<<20)
	l.BodyBytes = or(l.BodyBytes, 4<<30)
	l.ResultBytes = or(l.ResultBytes, 1<<30)
	l.Params = or(l.Params, 1000)
	l.Queries = or(l.Queries, 64)
	l.Sessions = or(l.Sessions, 64)
	l.HeaderTimeout = or(l.HeaderTimeout, 10*time.Second)
	l.LeaseGrace = or(l.LeaseGrace, 30*time.Second)
	l.DrainTimeout = or(l.DrainTimeout, 10*time.Second)
	return o
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
