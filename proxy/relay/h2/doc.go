// Package h2 is HTTP/2 (RFC 9113, 7541, 8441) as proxy/relay wants it: a Server
// makes relay.Clients of clients' streams, a Dialer makes relay.Upstreams of
// streams to hosts.
//
// One goroutine reads a connection. It takes what is there at once, handles all
// frames in it, and only then starts and wakes the exchanges concerned, so that
// a short request, or a short answer with its trailers, is complete when it is
// first looked at. Exchanges are carried on by a few goroutines that go from one
// to the next: where one would wait for its host, it leaves its goroutine and is
// taken up again when something has come (relay.Sharing, relay.Telling). What
// exchanges write is gathered in the connections' outputs, and written when those
// goroutines have nothing left to do.
//
// One lock per connection guards all that its streams share; nobody waits for
// anything but memory and processor while he has it.
package h2
