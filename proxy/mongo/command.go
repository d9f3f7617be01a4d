// Package mongo decides about commands of MongoDB that pass the proxy: it
// frames the messages of a connection, asks guards about each request, and
// delays, answers or breaks off in the server's place. Answers pass by messages,
// so that one of the proxy's own never cuts into another.
package mongo

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

// Guard decides whether a command may go on to a server.
type Guard interface {
	// Admit says why the command does not go on; nil lets it. It does not
	// wait: what it wants to have waited for it writes into c. What c points
	// to is lent for the length of the call, and of that of c.Ask.
	Admit(c *Command) *Refusal
}

// Command is a request that a Guard is asked about.
type Command struct {
	mongo.Request            // operation, database, collection, call site, and so on
	Handshake     bool       // hello, or one that authenticates: mostly to be left alone
	Client        netip.Addr // invalid on a Unix socket
	Cluster       string     // where it would go
	Now           int64      // ns since the Unix epoch

	// Ask, which a Guard may set, is called before the next guard is asked, and
	// says what Admit says. It may wait, until ctx ends: as its client goes.
	Ask func(ctx context.Context) *Refusal

	Delay time.Duration       // to be waited for, before it goes on or is refused
	Flags event.ResponseFlags // that its span gets
	Pacer route.Pacer         // holds its bytes back, and those of the answer; nil for nothing
}

// In reports whether the command is about a collection, which may stand there
// with its database: carts, or shop.carts.
func (c *Command) In(collection string) bool {
	rest, qualified := strings.CutPrefix(collection, c.Database+".")
	return c.Collection != "" && (collection == c.Collection || qualified && rest == c.Collection)
}

// At reports whether part is a part of what a comment names: cart.go:17,
// loadCart.
func At(s *event.CallSite, part string) bool {
	var room [256]byte
	place := append(room[:0], s.File...)
	if s.Line > 0 {
		place = strconv.AppendInt(append(place, ':'), int64(s.Line), 10)
	}
	return strings.Contains(decode.View(place), part) || strings.Contains(s.Function, part) || strings.Contains(s.Name, part) || strings.Contains(s.Text, part)
}

// Refusal is how a command ends that does not go on: by an error document in
// MongoDB's own form, or by a reset of the connection.
type Refusal struct {
	Code     int32
	CodeName string
	Message  string
	Labels   []string // errorLabels
	Reset    bool
	Flags    event.ResponseFlags // that its span gets
}

// RateLimited is the refusal of a command that comes too often: the error that
// servers from 8.2 on give then (error_codes.yml: IngressRequestRateLimitExceeded),
// with the labels by which drivers know that nothing was done, that they may try
// again after a while (specifications: client-backpressure), and that what an
// earlier try may have done is not undone by this answer.
func RateLimited(message string) *Refusal {
	return &Refusal{
		Code: 462, CodeName: "IngressRequestRateLimitExceeded", Message: message,
		Labels: []string{"SystemOverloadedError", "RetryableError", "NoWritesPerformed"}, Flags: event.FlagRL,
	}
}
