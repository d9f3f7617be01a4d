package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testca"
)

// terminating gives the listener these certificates.
func terminating(more func(*config.ListenerTLS), pairs ...testca.Pair) func(*config.Config) {
	return func(c *config.Config) {
		t := config.NewListenerTLS()
		for _, p := range pairs {
			t.Certificates = append(t.Certificates, config.Certificate{Cert: p.Cert, Key: p.Key})
		}
		if more != nil {
			more(t)
		}
		c.Listeners[0].TLS = t
	}
}

// towards has the cluster speak TLS to servers of ca.
func towards(ca *testca.CA, more func(*config.ClusterTLS)) func(*config.Config) {
	return func(c *config.Config) {
		t := config.NewClusterTLS()
		t.CA = ca.File
		if more != nil {
			more(t)
		}
		c.Clusters[0].TLS = t
	}
}

func all(changes ...func(*config.Config)) func(*config.Config) {
	return func(c *config.Config) {
		for _, f := range changes {
			f(c)
		}
	}
}

func (r *rig) dialTLS(c *tls.Config) *tls.Conn {
	r.t.Helper()
	t := tls.Client(r.dial(), c)
	if err := t.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	return t
}

// serveTLS is serve for an upstream that speaks TLS.
func serveTLS(t *testing.T, c *tls.Config, f func(*tls.Conn)) string {
	return serve(t, func(n *net.TCPConn) {
		s := tls.Server(n, c)
		if s.Handshake() == nil {
			f(s)
		}
	})
}

func echoTLS(c *tls.Conn) { _, _ = io.Copy(c, c); _ = c.CloseWrite() }

// eventNamed is the next event of that name.
func (r *rig) eventNamed(name string) event.Notice {
	r.t.Helper()
	for late := time.After(patience); ; {
		select {
		case b, open := <-r.sub.C():
			if !open {
				r.t.Fatalf("no event %s", name)
			}
			r.seen = append(r.seen, b.Exchanges...)
			for _, n := range b.Notices {
				if n.Name == name {
					return n
				}
			}
		case <-late:
			r.t.Fatalf("no event %s in time", name)
		}
	}
}

func attribute(n *event.Notice, key string) string {
	for _, kv := range n.Attributes {
		if kv.Key == key {
			return kv.Value
		}
	}
	return ""
}
