package proxy

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/tls"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/tap"
)

// bySNI forwards TLS as it is, to the cluster that takes the name which the
// client asks for. What names nobody, or is no TLS, goes to the listener's
// cluster; without one it is reset.
type bySNI struct {
	Setup
	exact map[string]*passthrough
	wild  map[string]*passthrough // by what follows "*."
	rest  *passthrough            // may be nil
	all   []*passthrough
}

// newPassthroughTLS forwards TLS, and tells what can be told of it.
func newPassthroughTLS(s Setup) (Handler, error) {
	for _, p := range s.Protocols {
		if p.Name == "tls" {
			return newBySNI(s, p.New), nil
		}
	}
	return newBySNI(s, nil), nil
}

func newBySNI(s Setup, decoder func(decode.Conn) decode.Decoder) *bySNI {
	b := &bySNI{Setup: s, exact: map[string]*passthrough{}, wild: map[string]*passthrough{}}
	clusters := map[string]*passthrough{}
	to := func(cluster string) *passthrough {
		if clusters[cluster] == nil {
			clusters[cluster] = newPassthroughTo(s, cluster, decoder)
			b.all = append(b.all, clusters[cluster])
		}
		return clusters[cluster]
	}
	for _, r := range s.Listener.SNI {
		for _, name := range r.Names {
			name = strings.ToLower(name)
			if domain, ok := strings.CutPrefix(name, "*."); ok {
				b.wild[domain] = to(r.Cluster)
			} else {
				b.exact[name] = to(r.Cluster)
			}
		}
	}
	if s.Listener.Cluster != "" {
		b.rest = to(s.Listener.Cluster)
	}
	return b
}

func (b *bySNI) Serve(ctx context.Context, c *socket.Stream, first []byte, info ConnInfo, done func()) {
	hello, first, err := b.hello(c, first)
	if err != nil && len(first) == 0 {
		b.connLog(info).over(&ending{why: endedSilent}) // the client went, or stayed, without a word
		done()
		return
	}
	name := ""
	if hello != nil {
		name = hello.ServerName()
	}
	b.asked(&info, name)
	way := b.way(name)
	if way == nil {
		b.refuse(c, info, name)
		done()
		return
	}
	way.Serve(ctx, c, first, info, done)
}

// helloChunk is what a client's hello seldom exceeds, in bytes.
const helloChunk = 2 << 10

// hello reads until the client's hello is there, or cannot be.
func (b *bySNI) hello(c *socket.Stream, first []byte) (*tls.Hello, []byte, error) {
	if limit := b.Listener.Timeouts.Hello; limit > 0 {
		_ = c.SetReadDeadline(time.Now().Add(limit))
		defer c.SetReadDeadline(time.Time{})
	}
	var r tls.HelloReader
	for {
		if len(first) > 0 {
			if h, more := r.Read(first); !more {
				return h, first, nil
			}
		}
		first = slices.Grow(first, helloChunk)
		n, err := c.Read(first[len(first):cap(first)])
		first = first[:len(first)+n]
		if err != nil && n == 0 {
			b.Stats.DetectTimeout.Add(1)
			return nil, first, err
		}
	}
}

// way is where connections for name go, nil where that is nowhere: by the very
// name, then by a wildcard for its first label, then by the longest one that
// takes it at all.
func (b *bySNI) way(name string) *passthrough {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if t := b.exact[name]; t != nil && name != "" {
		return t
	}
	for _, domain, ok := strings.Cut(name, "."); ok; _, domain, ok = strings.Cut(domain, ".") {
		if t := b.wild[domain]; t != nil {
			return t
		}
	}
	return b.rest
}

// refuse resets a connection that nobody takes, and tells so.
func (b *bySNI) refuse(c *socket.Stream, info ConnInfo, name string) {
	c.Abort()
	b.Stats.CxNoRoute.Add(1)
	why := "no entry of sni takes connections without a name"
	if name != "" {
		why = "no entry of sni takes " + name
	}
	l := &label{out: b.Hub.Publisher(info.ID), failures: b.Failures}
	l.flag(event.FlagNR)
	dec := &tally{conn: decodeConn(info), begun: info.Accepted, failed: endedNoRoute, why: why}
	meta := tap.Meta{Listener: b.Listener.Name, Service: b.Listener.Name, Names: b.Names, IDs: b.IDs}
	tap.NewFlow(dec, dec.conn, meta, l).Close(time.Now().UnixNano())
	b.connLog(info).over(&ending{flags: event.FlagNR, why: endedNoRoute})
}

func (b *bySNI) Drain() {
	for _, t := range b.all {
		t.Drain()
	}
}

func (b *bySNI) Close() {
	for _, t := range b.all {
		t.Close()
	}
}

// namesTLS reports whether a listener tells connections apart by what TLS
// asks for.
func namesTLS(l *config.Listener) bool { return len(l.SNI) > 0 }
