package route

import (
	"context"
	"net/http"

	"github.com/pitot-io/pitot/internal/config"
)

// Own is what a listener answers by itself, before its routes are asked.
type Own struct {
	Name    string       // of the route in spans
	Path    string       // that GET and HEAD are answered at; empty for none
	Answer  func() Reply // to these
	Service string       // of gRPC whose calls are answered; empty for none
	Calls   Caller       // answers them
}

// Caller answers calls of gRPC. It may be called from many goroutines.
type Caller interface {
	// Call answers a call of a method, named as Service/Method, whose request
	// is one message. It sends messages, each of which the client has got or
	// will get when send returns nil, and gives the call's status, with a text
	// of printable ASCII without % for one that is not 0. When ctx ends, the
	// client has gone or is to go, and the call ends soon.
	Call(ctx context.Context, method string, request []byte, send func(message []byte) error) (status int, text string)
}

// Add puts o before all routes.
func (t *Table) Add(o Own, l *config.Listener) error {
	if o.Path != "" {
		r, err := t.add(config.Match{Path: o.Path, Methods: []string{http.MethodGet, http.MethodHead}}, o.Name, l)
		if err != nil {
			return err
		}
		r.reply = &reply{live: o.Answer}
	}
	if o.Service != "" {
		r, err := t.add(config.Match{GRPC: o.Service}, o.Name, l)
		if err != nil {
			return err
		}
		r.Calls = o.Calls
		r.reply = &reply{fixed: Reply{Status: http.StatusHTTPVersionNotSupported, Detail: Detail}} // where no call can be
	}
	return nil
}

func (t *Table) add(c config.Match, name string, l *config.Listener) (*Route, error) {
	r, err := compile(&config.Route{Name: name, Match: c}, l)
	if err != nil {
		return nil, err
	}
	m, err := newMatch(&c)
	if err != nil {
		return nil, err
	}
	t.own = append(t.own, entry{m, r})
	return r, nil
}
