package store

import (
	"slices"
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

// standing are the notices of certificates that expire soon, or whose new
// files cannot be used. They stand until a certificate is renewed.
type standing struct{ all []event.Notice }

func (s *standing) notice(n *event.Notice, limit int) {
	switch n.Name {
	case event.EventCertReloaded, event.EventCertFailed, event.EventCertExpiring:
	default:
		return
	}
	user := attribute(n, "used_by")
	s.all = slices.DeleteFunc(s.all, func(o event.Notice) bool {
		return attribute(&o, "used_by") == user && shares(attribute(&o, "files"), attribute(n, "files")) && (n.Name == event.EventCertReloaded || o.Name == n.Name)
	})
	if n.Name != event.EventCertReloaded && len(s.all) < limit {
		s.all = append(s.all, *n)
	}
}

// shares reports whether two lists of files begin with the same one.
func shares(a, b string) bool {
	a, _, _ = strings.Cut(a, ",")
	b, _, _ = strings.Cut(b, ",")
	return a == b
}

func attribute(n *event.Notice, key string) string {
	for _, kv := range n.Attributes {
		if kv.Key == key {
			return kv.Value
		}
	}
	return ""
}
