package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	decodetls "github.com/pitot-io/pitot/decode/tls"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testca"
)

// named is a TLS server that says its name.
func named(t *testing.T, ca *testca.CA, name string) string {
	p := ca.Issue(name, testca.Year(), name+".test", "x."+name+".test")
	return serveTLS(t, &tls.Config{Certificates: []tls.Certificate{p.TLS}}, func(c *tls.Conn) { say(t, c, name) })
}

// byNames sends one.test and *.two.test their ways, and the rest, if any, on.
func byNames(protocol, rest string, one, two string) func(*config.Config) {
	return func(c *config.Config) {
		for name, address := range map[string]string{"one": one, "two": two} {
			cl := c.Clusters[0]
			cl.Name, cl.Endpoints = name, config.Addresses(address)
			c.Clusters = append(c.Clusters, cl)
		}
		l := &c.Listeners[0]
		l.Protocol, l.Cluster = protocol, rest
		l.SNI = []config.SNIRoute{{Names: []string{"one.test"}, Cluster: "one"}, {Names: []string{"*.two.test"}, Cluster: "two"}}
	}
}

func TestSNIRoutes(t *testing.T) {
	ca := testca.New(t)
	one, two, rest := named(t, ca, "one"), named(t, ca, "two"), named(t, ca, "rest")
	for _, protocol := range []string{config.TCP, config.PassTLS, config.Auto} {
		t.Run(protocol, func(t *testing.T) {
			r := runWithTLS(t, byNames(protocol, "main", one, two), rest)
			for name, want := range map[string]string{"one.test": "one", "ONE.test": "one", "x.two.test": "two", "two.test": "rest", "rest.test": "rest", "": "rest"} {
				c := r.dialTLS(&tls.Config{ServerName: name, InsecureSkipVerify: true})
				hear(t, c, want)
				c.Close()
				cluster := want
				if want == "rest" {
					cluster = "main"
				}
				if protocol != config.TCP {
					if n := r.eventNamed(event.EventTLS); attribute(&n, event.AttrTLSServerName) != name {
						t.Errorf("event %+v", n)
					}
				}
				if x := r.next(); x.Cluster != cluster {
					t.Errorf("%s: span %s", name, x.AppendJSON(nil))
				}
			}
		})
	}
}

// runWithTLS is run with a decoder for TLS.
func runWithTLS(t *testing.T, change func(*config.Config), endpoints ...string) *rig {
	t.Helper()
	return runOf(t, append(testProtocols(), decodetls.Protocol(decodetls.Options{})), change, endpoints...)
}

func TestSNIThatNobodyTakesIsReset(t *testing.T) {
	ca := testca.New(t)
	one, two := named(t, ca, "one"), named(t, ca, "two")
	r := runWithTLS(t, byNames(config.PassTLS, "", one, two), one)
	for name, try := range map[string]func(net.Conn) error{
		"no name":      func(c net.Conn) error { return tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() },
		"another name": func(c net.Conn) error { return tls.Client(c, &tls.Config{ServerName: "x.test"}).Handshake() },
		"no TLS at all": func(c net.Conn) error {
			say(t, c, "GET / HTTP/1.1\r\n\r\n")
			_, err := c.Read(make([]byte, 1))
			return err
		},
	} {
		if err := try(r.dial()); err == nil || err == io.EOF {
			t.Errorf("%s: %v", name, err)
		}
		if x := r.next(); x.Flags != event.FlagNR || x.ErrorType != "route_not_found" {
			t.Errorf("%s: span %s", name, x.AppendJSON(nil))
		}
	}
	if n := r.listeners[0].stats.CxNoRoute.Load(); n != 3 {
		t.Errorf("counted %d", n)
	}
}

// A client that begins a hello and goes no further goes where it would
// without a name, when its time is over.
func TestSNIHalfAHello(t *testing.T) {
	ca := testca.New(t)
	one := named(t, ca, "one")
	r := runWithTLS(t, all(byNames(config.PassTLS, "main", one, one), func(c *config.Config) { c.Listeners[0].Timeouts.Hello = 20 * time.Millisecond }), serve(t, echo))
	c := r.dial()
	half := "\x16\x03\x01\x02\x00\x01\x00"
	say(t, c, half)
	hear(t, c, half)
	if n := r.listeners[0].stats.DetectTimeout.Load(); n != 1 {
		t.Errorf("counted %d", n)
	}
}
