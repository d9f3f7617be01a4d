package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/tap"
)

// plainQuery says whose bytes are wanted.
type plainQuery struct {
	client, server func(netip.AddrPort) bool
	listener       string
	length         time.Duration
}

// tapPlain streams the bytes of proxied connections, as packets.
func (s *Server) tapPlain(w http.ResponseWriter, r *http.Request) {
	if s.o.Capture != nil {
		http.Error(w, "this pitot forwards no connections; its packets are written with pitot tap --write", http.StatusNotFound)
		return
	}
	q, err := parsePlain(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reader := s.o.Hub.Plain.Listen(q.match)
	defer reader.Close()
	w.Header().Set("Content-Type", "application/x-pcapng")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithTimeout(r.Context(), q.length)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	_ = reader.WritePcapng(ctx, w, "pitot", http.NewResponseController(w).Flush) // fails only when the client has gone
}

func (q *plainQuery) match(c *tap.Inline) bool {
	return q.client(c.Client) && q.server(c.Server) && (q.listener == "" || q.listener == c.Listener)
}

func parsePlain(q url.Values) (p *plainQuery, err error) {
	p = &plainQuery{listener: q.Get("listener"), length: 1<<63 - 1}
	for name := range q {
		switch name {
		case "format", "client", "server", "listener", "for":
		default:
			return nil, fmt.Errorf("%s: format=pcapng takes client, server, listener and for: it shows connections and not exchanges", strconv.Quote(name))
		}
	}
	if p.client, err = parseSide("client", q.Get("client")); err != nil {
		return nil, err
	}
	if p.server, err = parseSide("server", q.Get("server")); err != nil {
		return nil, err
	}
	if v := q.Get("for"); v != "" {
		if p.length, err = time.ParseDuration(v); err != nil || p.length <= 0 {
			return nil, fmt.Errorf("for: %q is not valid; must be a time such as 10s or 5m", v)
		}
	}
	return p, nil
}

// parseSide reads an address, with or without a port, or a network.
func parseSide(name, v string) (func(netip.AddrPort) bool, error) {
	if v == "" {
		return func(netip.AddrPort) bool { return true }, nil
	}
	if a, err := netip.ParseAddrPort(v); err == nil {
		return func(x netip.AddrPort) bool { return x == a }, nil
	}
	if a, err := netip.ParseAddr(v); err == nil {
		return func(x netip.AddrPort) bool { return x.Addr() == a }, nil
	}
	if n, err := netip.ParsePrefix(v); err == nil {
		return func(x netip.AddrPort) bool { return n.Contains(x.Addr()) }, nil
	}
	return nil, fmt.Errorf("%s: %q is not valid; must be as 10.0.0.7:8080, 10.0.0.7 or 10.0.0.0/8", name, v)
}
