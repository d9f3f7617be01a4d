package ratelimit

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"net/netip"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/format"
	"github.com/pitot-io/pitot/proxy/route"
)

// action makes one entry of a descriptor of a request.
type action struct {
	key    string
	kind   kind
	name   []byte // of the field or parameter; the text of a constant
	skip   bool   // without a value the entry is left out, not the descriptor
	secret bool   // the value is not to be told
	v4, v6 int    // lengths of prefixes

	conditions []route.Condition
	expect     bool
	only       []string // values of MongoDB's; all without
}

// kind is where an action takes its value from.
type kind uint8

const (
	constant kind = iota
	sourceCluster
	destinationCluster
	routeName
	header
	parameter
	address
	network
	headerMatch
	queryMatch
	grpcService
	grpcMethod
	mongoCommand
	mongoDatabase
	mongoCollection
	mongoCallSite
	mongoApp
)

func newActions(all []config.LimitAction) (list []action, err error) {
	for i := range all {
		a, err := newAction(&all[i])
		if err != nil {
			return nil, fmt.Errorf("actions[%d]: %w", i, err)
		}
		list = append(list, a)
	}
	return list, nil
}

// newAction makes the action of c, which must have been checked.
func newAction(c *config.LimitAction) (action, error) {
	switch {
	case c.SourceCluster != nil:
		return action{key: "source_cluster", kind: sourceCluster}, nil
	case c.DestinationCluster != nil:
		return action{key: "destination_cluster", kind: destinationCluster}, nil
	case c.Route != nil:
		return action{key: "route", kind: routeName}, nil
	case c.RequestHeaders != nil:
		f := c.RequestHeaders
		name := bytes.ToLower([]byte(f.Header))
		return action{key: cmp.Or(f.Key, f.Header), kind: header, name: name, skip: f.SkipIfAbsent, secret: semantics.SecretField(name)}, nil
	case c.QueryParameters != nil:
		q := c.QueryParameters
		name := []byte(q.Parameter)
		return action{key: cmp.Or(q.Key, q.Parameter), kind: parameter, name: name, skip: q.SkipIfAbsent, secret: semantics.SecretField(name)}, nil
	case c.RemoteAddress != nil:
		return action{key: "remote_address", kind: address}, nil
	case c.MaskedAddress != nil:
		return action{key: "masked_remote_address", kind: network, v4: c.MaskedAddress.V4, v6: c.MaskedAddress.V6}, nil
	case c.GenericKey != nil:
		return action{key: cmp.Or(c.GenericKey.Key, "generic_key"), name: []byte(c.GenericKey.Value)}, nil
	case c.HeaderMatch != nil:
		return newMatch(c.HeaderMatch, "header_match", headerMatch, c.HeaderMatch.Headers)
	case c.QueryMatch != nil:
		return newMatch(c.QueryMatch, "query_match", queryMatch, c.QueryMatch.Query)
	case c.GRPCService != nil:
		return action{key: "grpc_service", kind: grpcService}, nil
	case c.MongoCommand != nil:
		return action{key: "mongodb_command", kind: mongoCommand, only: c.MongoCommand.Only}, nil
	case c.MongoDatabase != nil:
		return action{key: "mongodb_database", kind: mongoDatabase, only: c.MongoDatabase.Only}, nil
	case c.MongoCollection != nil:
		return action{key: "mongodb_collection", kind: mongoCollection, only: c.MongoCollection.Only}, nil
	case c.MongoCallSite != nil:
		return action{key: "mongodb_call_site", kind: mongoCallSite, only: c.MongoCallSite.Only}, nil
	case c.MongoApp != nil:
		return action{key: "mongodb_application", kind: mongoApp, only: c.MongoApp.Only}, nil
	}
	return action{key: "grpc_method", kind: grpcMethod}, nil
}

func newMatch(m *config.LimitMatch, key string, k kind, conditions []config.FieldMatch) (action, error) {
	a := action{key: cmp.Or(m.Key, key), kind: k, name: []byte(m.Value), expect: m.Expect}
	for i := range conditions {
		c, err := route.NewCondition(&conditions[i], k == headerMatch)
		if err != nil {
			return a, err
		}
		a.conditions = append(a.conditions, c)
	}
	return a, nil
}

// subject is what a limit is about: a request of HTTP, or a command.
type subject interface {
	// value adds the value that an action takes from it; nothing for none.
	value(b []byte, a *action) []byte
	// spares reports whether it is none of a limit's, whatever its actions say.
	spares(l *Limit) bool
}

// append adds the value that the action takes from s; none is no value.
func (a *action) append(b []byte, s subject) (out []byte, ok bool) {
	at := len(b)
	if a.kind == constant {
		b = append(b, a.name...)
	} else {
		b = s.value(b, a)
	}
	return b, len(b) > at
}

// request is a subject.
type request route.Question

func (*request) spares(*Limit) bool { return false }

func (q *request) value(b []byte, a *action) []byte {
	switch a.kind {
	case sourceCluster:
		b = append(b, q.Exchange.Peer...)
	case destinationCluster:
		if q.Cluster != nil {
			b = append(b, q.Cluster.Name()...)
		}
	case routeName:
		b = append(b, q.Route.Name...)
	case header:
		b = append(b, headerOf(q.Head, a.name)...)
	case parameter:
		if v, ok := format.Parameter(q.Head.Query, a.name); ok {
			b = format.Unescape(b, v)
		}
	case address, network:
		b = a.appendAddress(b, q.Client)
	case headerMatch, queryMatch:
		if a.fits(q.Head) == a.expect {
			b = append(b, a.name...)
		}
	case grpcService, grpcMethod:
		b = append(b, a.call(q.Head)...)
	}
	return b
}

// headerOf is the value of the first field of that name, in lower case, or of
// a part of the head that HTTP/2 names so.
func headerOf(h *http1.Head, name []byte) []byte {
	switch string(name) {
	case ":method":
		return h.Method
	case ":authority", "host":
		return h.Host
	case ":path":
		return h.Path
	case ":scheme":
		return h.Scheme
	}
	return h.Get(string(name))
}

func (a *action) appendAddress(b []byte, ip netip.Addr) []byte {
	switch {
	case !ip.IsValid(): // a Unix socket has none
		return b
	case a.kind == address:
		return ip.Unmap().WithZone("").AppendTo(b)
	}
	ip, bits := ip.Unmap().WithZone(""), a.v6
	if ip.Is4() {
		bits = a.v4
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return b // the configuration has been checked
	}
	return p.AppendTo(b)
}

// fits reports whether all conditions hold.
func (a *action) fits(h *http1.Head) bool {
	for i := range a.conditions {
		c := &a.conditions[i]
		if a.kind == headerMatch && !c.Header(h) || a.kind == queryMatch && !c.Parameter(h.Query) {
			return false
		}
	}
	return true
}

// call is the service or method that a call of gRPC is for: its path is
// /service/method (gRPC over HTTP2, "Requests").
func (a *action) call(h *http1.Head) []byte {
	if len(h.Path) == 0 || h.Path[0] != '/' || !route.GRPC(h) {
		return nil
	}
	method := h.Path[1:]
	if a.kind == grpcMethod {
		return method
	}
	return method[:max(0, bytes.LastIndexByte(method, '/'))]
}

// Bounds of the text of a key, in bytes, and what stands between its entries.
// The separator can stand in no value.
const (
	maxKey    = 256
	separator = 0x1f
)

// appendKey adds the key of s's descriptor, the text of which may be told: a
// secret is in it as a hash only. It reports false when s has no such
// descriptor.
func appendKey(b []byte, actions []action, s subject, seed maphash.Seed) ([]byte, bool) {
	for i := range actions {
		a := &actions[i]
		if len(b) > 0 {
			b = append(b, separator)
		}
		b = append(append(b, a.key...), '=')
		at := len(b)
		var ok bool
		if b, ok = a.append(b, s); !ok {
			if !a.skip {
				return b, false
			}
			continue // an empty value, which is one of its own
		}
		if a.secret {
			b = appendHash(b[:at], b[at:], seed)
			continue
		}
		for j := at; j < len(b); j++ {
			if b[j] < ' ' || b[j] == 0x7f {
				b[j] = '?'
			}
		}
	}
	if len(b) > maxKey { // what is left tells enough, and the hash tells it apart
		b = appendHash(b[:maxKey-17], b, seed)
	}
	return b, true
}

// appendHash adds what stands for a text that is secret, or too long.
func appendHash(b, text []byte, seed maphash.Seed) []byte {
	h := maphash.Bytes(seed, text)
	var raw [8]byte
	for i := range raw {
		raw[i] = byte(h >> (56 - 8*i))
	}
	return hex.AppendEncode(append(b, '~'), raw[:])
}
