package proxy

import (
	"fmt"
	"slices"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/fault"
)

// faultOptions are for the faults of a route, which may have no name.
func (s *Setup) faultOptions(route string) fault.Options {
	o := fault.Options{Stats: &s.Stats.Faults, Trust: !s.Listener.UseRemote, Where: whereFaults(s.Listener.Name, route), Tell: s.Hub.Publisher(0).Notice}
	return o
}

func whereFaults(listener, route string) string {
	if route == "" {
		return fmt.Sprintf("listener %q", listener)
	}
	return fmt.Sprintf("listener %q, route %q", listener, route)
}

// SetFaults has faults be injected into the requests of a listener, or of its
// routes of a name, in the place of those of the configuration, until the next
// one is taken over. The faults must have been checked (config.ParseFaults).
func (s *Server) SetFaults(listener, route string, faults []config.Fault) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	c, ok := s.settings().WithFaults(listener, route, faults)
	if !ok {
		return fmt.Errorf("there is no %s", whereFaults(listener, route))
	}
	return s.reload(c)
}

// changeFaults is SetFaults for the operator's port.
func (s *Server) changeFaults(listener, route, text string) (said string, err error) {
	c := s.settings()
	i := slices.IndexFunc(c.Listeners, func(l config.Listener) bool { return l.Name == listener })
	if i < 0 {
		return "", fmt.Errorf("there is no listener %q", listener)
	}
	faults, err := c.ParseFaults(&c.Listeners[i], text)
	if err != nil {
		return "", err
	}
	if faults == nil {
		faults = []config.Fault{} // of a route: none, and not the listener's
	}
	if err := s.SetFaults(listener, route, faults); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s has %d faults until the next configuration", whereFaults(listener, route), len(faults)), nil
}
