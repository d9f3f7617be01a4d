package tui

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tui/store"
)

// noon is when the traffic of the tests ends.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// traffic is fifty seconds of a small shop, the same every time: a front that
// calls orders, which asks MongoDB; one call site asks in a loop.
func traffic() *event.Batch {
	b, r := new(event.Batch), rand.New(rand.NewPCG(1, 2))
	at := noon.Add(-50 * time.Second).UnixNano()
	for i := range 400 {
		at += int64(125 * time.Millisecond)
		trace := event.TraceID{0x4b, byte(i >> 8), byte(i), 1}
		web(b, r, trace, at, i)
		if i%4 == 0 {
			loop(b, trace, at, i)
		}
		if i%3 == 0 {
			b.Exchange(find(trace, at, i, "Cart.load app/cart.rb:90", "orders", 4+i%9, 214))
		}
	}
	b.Notice(&event.Notice{Time: noon.UnixNano(), Name: event.EventCaptureGap, Severity: event.Warn, Body: "17 bytes are missing"})
	return b
}

var (
	browser = netip.MustParseAddrPort("10.0.0.9:51022")
	front   = netip.MustParseAddrPort("10.0.0.1:8080")
	mongoDB = netip.MustParseAddrPort("10.0.0.7:27017")
)

func web(b *event.Batch, r *rand.Rand, trace event.TraceID, at int64, i int) {
	route := [...]string{"/cart/{id}", "/cart/{id}", "/items", "/cart/{id}/pay"}[i%4]
	x := event.Exchange{
		TraceID: trace, SpanID: event.SpanID{1, byte(i >> 8), byte(i)}, Protocol: event.HTTP11, Name: "GET " + route, Service: "shop", Client: browser, Server: front,
		Start: at, FirstByte: at + 5e6, End: at + 6e6 + int64(r.IntN(30e6)), RequestBytes: 420, ResponseBytes: 2100, Stream: int64(i % 9),
		HTTP: &event.HTTP{Method: "GET", Host: "shop.example", Path: fmt.Sprintf("/cart/%d", i), Template: route, StatusCode: 200, Version: "1.1", UserAgent: "curl/8.5.0"},
	}
	if i%40 == 3 {
		x.Status, x.ErrorType, x.Flags, x.HTTP.StatusCode = event.Error, "503", event.FlagUF, 503
	}
	b.Exchange(&x)
	x.Kind, x.ParentID, x.SpanID = event.Client, x.SpanID, event.SpanID{9, byte(i >> 8), byte(i)}
	x.Service, x.Peer, x.Cluster, x.Endpoint = "shop", "orders", "orders", "10.0.0.2:8081"
	b.Exchange(&x) // the attempt, which must not count twice
}

func loop(b *event.Batch, trace event.TraceID, at int64, i int) {
	for j := range 6 {
		b.Exchange(find(trace, at+int64(j)*1e6, i+j, "Items.price app/items.rb:12", "stock", 1, 1))
	}
}

func find(trace event.TraceID, at int64, i int, site, coll string, ms, docs int) *event.Exchange {
	x := event.Exchange{
		TraceID: trace, SpanID: event.SpanID{2, byte(i >> 8), byte(i)}, Kind: event.Client, Protocol: event.MongoDB, Name: "find " + coll, Service: "orders", Peer: "orders-db",
		Client: netip.MustParseAddrPort("10.0.0.2:40000"), Server: mongoDB, Start: at, FirstByte: at + int64(ms)*1e6, End: at + int64(ms)*1e6 + 2e5,
		RequestBytes: 180, ResponseBytes: int64(docs) * 90,
		Mongo: &event.Mongo{
			Database: "shop", Collection: coll, Operation: "find", Query: `{"filter":{"user":?},"sort":{"ts":-1}}`, Shape: uint64(len(coll)) * 77,
			Opcode: 2013, RequestID: int32(i), Returned: int64(docs), Affected: -1, TxnNumber: -1, Site: event.CallSite{Name: site},
		},
	}
	if i%50 == 0 {
		x.Status, x.ErrorType, x.Mongo.Code, x.Mongo.CodeName = event.Error, "50", 50, "MaxTimeMSExpired"
	}
	return &x
}

// shop is a store full of traffic.
func shop() *store.Store {
	s := store.New(store.DefaultLimits())
	s.Apply(traffic(), noon)
	return s
}

// screenOf is a program over s at noon, as if it had run for a while.
func screenOf(s *store.Store, w, h int) *model {
	m := newModel(Options{Store: s, Title: "127.0.0.1:9901", Zone: time.UTC, Now: func() time.Time { return noon }}, nil)
	m.w, m.h = w, h
	return m
}
