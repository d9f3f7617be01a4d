// Package mongo decides about commands of MongoDB that pass the proxy: it
// frames the messages of a connection, asks guards about each request, and
// delays, answers or breaks off in the server's place. Answers pass by messages,
// so that one of the proxy's own never cuts into another.
package mongo

import (
	"net/netip"
	"time"

	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

// Guard decides whether a command may go on to a server.
type Guard interface {
	// Admit says why the command does not go on; nil lets it. It does not
	// wait: what it wants to have waited for it writes into c. What c points
	// to is lent for the length of the call.
	Admit(c *Command) *Refusal
}

// Command is a request that a Guard is asked about.
type Command struct {
	mongo.Request            // operation, database, collection, call site, and so on
	Handshake     bool       // hello, or one that authenticates: mostly to be left alone
	Client        netip.Addr // invalid on a Unix socket
	Cluster       string     // where it would go
	Now           int64      // ns since the Unix epoch

	Delay time.Duration       // to be waited for, before it goes on or is refused
	Flags event.ResponseFlags // that its span gets
	Pacer route.Pacer         // holds its bytes back, and those of the answer; nil for nothing
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
// servers from 8.2 on give then (IngressRequestRateLimitExceeded), with the
// labels by which drivers know that nothing was done and that they may try again
// after a while.
func RateLimited(message string) *Refusal {
	return &Refusal{
		Code: 462, CodeName: "IngressRequestRateLimitExceeded", Message: message,
		Labels: []string{"SystemOverloadedError", "RetryableError"}, Flags: event.FlagRL,
	}
}
