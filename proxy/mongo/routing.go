package mongo

import (
	"math/bits"
	"net/netip"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Routing says by what the commands of a listener's connections are spread, each
// by itself, over the servers of a cluster whose policy hashes.
type Routing struct {
	parts []part
}

// part is one thing that a hash is made of.
type part struct {
	of       func(q *mongo.Request, client netip.Addr) (hash uint64, ok bool)
	terminal bool
}

// NewRouting makes a Routing of what a listener's hash says; nil where that is
// about whole connections.
func NewRouting(all []config.HashPolicy) *Routing {
	r, single := new(Routing), false
	for i := range all {
		h := &all[i]
		p := part{terminal: h.Terminal}
		switch {
		case h.Collection:
			p.of, single = byCollection, true
		case h.Session:
			p.of, single = bySession, true
		default:
			p.of = func(_ *mongo.Request, client netip.Addr) (uint64, bool) { return upstream.HashOfAddr(client) }
		}
		r.parts = append(r.parts, p)
	}
	if !single {
		return nil
	}
	return r
}

// hash is that of a command; ok where it has anything to hash.
func (r *Routing) hash(q *mongo.Request, client netip.Addr) (hash uint64, ok bool) {
	for i := range r.parts {
		p := &r.parts[i]
		if next, there := p.of(q, client); there {
			hash, ok = bits.RotateLeft64(hash, 1)^next, true
		}
		if p.terminal && ok {
			break
		}
	}
	return hash, ok
}

// byCollection is made of a namespace as MongoDB writes it: shop.carts. Of a
// name without its database nothing is made: it may be any collection.
func byCollection(q *mongo.Request, _ netip.Addr) (uint64, bool) {
	if q.Database == "" || q.Collection == "" {
		return 0, false
	}
	var room [512]byte
	b := append(append(room[:0], q.Database...), '.')
	return xxhash.Sum64(append(b, q.Collection...)), true
}

// bySession is made of a session's id.
func bySession(q *mongo.Request, _ netip.Addr) (uint64, bool) {
	return xxhash.Sum64String(q.Session), q.Session != ""
}

// transaction is the key of the transaction that a command is in; 0 for none.
func transaction(m *event.Mongo) uint64 {
	if m.Transaction == event.TxnNone || m.Session == "" || m.TxnNumber < 0 {
		return 0
	}
	var room [64]byte
	b := append(append(room[:0], m.Session...), ' ')
	return xxhash.Sum64(strconv.AppendInt(b, m.TxnNumber, 10))
}

// Aim is where a command is to go.
type Aim struct {
	Hash  uint64
	Place string // address of the server that has its cursor, or its transaction; empty where that is not known
	Now   int64  // ns since the Unix epoch
}

// Taken is the way that a command takes.
type Taken struct {
	Way  *Way   // nil for the connection that the client's was joined to, its home
	Host string // address
	Why  string // in few and constant words
}

// Ways find a way for a command. They open a connection where there is none, and
// may take as long as that does. Without a server the command is refused.
type Ways interface {
	Way(a *Aim) (Taken, *Absence)
}

// Absence says why no server could be had.
type Absence struct {
	Message string
	Flags   event.ResponseFlags
}

// refuse answers a command of which no server was told (error_codes.yml:
// HostUnreachable). Drivers try again by the labels: a command of a transaction
// with all of that, a write that has a number of its own; reads by the code.
func (a *Absence) refuse(m *event.Mongo) *Refusal {
	r := &Refusal{Code: 6, CodeName: "HostUnreachable", Message: a.Message, Flags: a.Flags}
	switch m.Transaction {
	case event.TxnStart, event.TxnIn:
		r.Labels = []string{"TransientTransactionError"}
	case event.TxnCommit, event.TxnAbort:
		r.Labels = []string{"RetryableWriteError"}
	default:
		if m.Retryable {
			r.Labels = []string{"RetryableWriteError", "NoWritesPerformed"}
		}
	}
	return r
}
