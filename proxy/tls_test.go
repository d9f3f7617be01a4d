package proxy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/minimongo"
	"github.com/pitot-io/pitot/internal/testca"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Every kind of connection echoes what it carries, and a side that has ended
// still hears the other one.
func TestTLSEchoWithHalfClose(t *testing.T) {
	ca := testca.New(t)
	front := ca.Issue("front", testca.Year(), "front.test")
	back := ca.Issue("back", testca.Year(), "127.0.0.1")
	client := &tls.Config{RootCAs: ca.Pool, ServerName: "front.test"}
	for _, protocol := range []string{config.TCP, config.MongoDB} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(protocol+tls.VersionName(version), func(t *testing.T) {
				server := &tls.Config{Certificates: []tls.Certificate{back.TLS}, MaxVersion: version}
				r := run(t, all(func(c *config.Config) { c.Listeners[0].Protocol = protocol }, terminating(nil, front), towards(ca, nil)), serveTLS(t, server, echoTLS))
				c := r.dialTLS(client)
				text := strings.Repeat("a pitot tube sits inside a flow. ", 20_000)
				go func() {
					_, _ = io.WriteString(c, text)
					_ = c.CloseWrite()
				}()
				got, err := io.ReadAll(c)
				if err != nil || string(got) != text {
					t.Errorf("heard %d bytes of %d, %v", len(got), len(text), err)
				}
				n := r.eventNamed(event.EventTLS)
				if attribute(&n, event.AttrTLSServerName) != "front.test" || attribute(&n, event.AttrTLSVersion) != "1.3" || len(attribute(&n, event.AttrTLSJA4)) != 36 {
					t.Errorf("event %+v", n)
				}
				c.Close()
				if protocol != config.TCP {
					return // what is no MongoDB is no exchange
				}
				if x := r.next(); x.ErrorType != "" || x.Flags != 0 {
					t.Errorf("span %s", x.AppendJSON(nil))
				}
			})
		}
	}
}

func TestTLSMongoDriver(t *testing.T) {
	server, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ca := testca.New(t)
	front, back := ca.Issue("front", testca.Year(), "127.0.0.1"), ca.Issue("back", testca.Year(), "db.test")
	secured := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{back.TLS}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool}, func(c *tls.Conn) {
		to, err := net.Dial("tcp", server.Addr())
		if err != nil {
			return
		}
		defer to.Close()
		go func() { _, _ = io.Copy(to, c); _ = to.(*net.TCPConn).CloseWrite() }()
		_, _ = io.Copy(c, to)
	})
	r := run(t, all(func(c *config.Config) { c.Listeners[0].Protocol = config.MongoDB }, terminating(nil, front), towards(ca, func(t *config.ClusterTLS) {
		t.SNI, t.Cert, t.Key = "db.test", front.Cert, front.Key
	})), secured)
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + r.Addr("main").String() + "/?directConnection=true").
		SetTLSConfig(&tls.Config{RootCAs: ca.Pool}).SetTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	if _, err := client.Database("shop").Collection("carts").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 7}}); err != nil {
		t.Fatal(err)
	}
	for {
		if x := r.next(); x.Mongo != nil && x.Mongo.Operation == "insert" {
			if x.Mongo.Collection != "carts" {
				t.Errorf("insert %+v", x.Mongo)
			}
			return
		}
	}
}

// What is wrong with a server's certificate is told by name, and nothing goes
// to that server.
func TestTLSUpstreamIsVerified(t *testing.T) {
	ca, stranger := testca.New(t), testca.New(t)
	for want, server := range map[string]testca.Pair{
		"certificate_expired":          ca.Issue("old", time.Now().Add(-time.Hour), "127.0.0.1"),
		"certificate_for_another_name": ca.Issue("other", testca.Year(), "other.test"),
		"unknown_authority":            stranger.Issue("strange", testca.Year(), "127.0.0.1"),
	} {
		t.Run(want, func(t *testing.T) {
			address := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{server.TLS}}, func(*tls.Conn) {})
			r := run(t, towards(ca, nil), address)
			if err := r.turnedAway(); err == nil || err == io.EOF {
				t.Errorf("the client sees %v", err)
			}
			x := r.next()
			if x.Flags != event.FlagUF || x.ErrorType != "connect_failed" {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
			h, _ := r.clusters["main"].Pick(t.Context(), new(upstream.Want))
			_, err := h.Dial(t.Context())
			var d *upstream.DialError
			if !errors.As(err, &d) || d.Reason != want {
				t.Errorf("reason %+v", d)
			}
		})
	}
}

// Certificates are replaced under load, and no connection fails for it.
func TestTLSReloadUnderLoad(t *testing.T) {
	ca := testca.New(t)
	front := ca.Issue("front", testca.Year(), "front.test")
	r := run(t, terminating(nil, front), serve(t, echo))
	client := &tls.Config{RootCAs: ca.Pool, ServerName: "front.test"}
	stop := make(chan struct{})
	serials := make(chan string, 1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := tls.Dial("tcp", r.Addr("main").String(), client)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(c, "hi")
				if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
					t.Error(err)
				}
				select {
				case serials <- c.ConnectionState().PeerCertificates[0].SerialNumber.String():
				default:
				}
				c.Close()
			}
		})
	}
	open := r.dialTLS(client)
	for range 5 {
		ca.Issue("front", testca.Year(), "front.test")
		r.files.Look()
		<-serials // one from before
		<-serials
	}
	now, err := tls.LoadX509KeyPair(front.Cert, front.Key)
	if err != nil {
		t.Fatal(err)
	}
	for late := time.After(patience); ; {
		select {
		case s := <-serials:
			if s != now.Leaf.SerialNumber.String() {
				continue
			}
		case <-late:
			t.Error("the last certificate is not in use")
		}
		break
	}
	close(stop)
	wg.Wait()
	say(t, open, "still here")
	hear(t, open, "still here")
}

func TestTLSFailuresAreTold(t *testing.T) {
	ca := testca.New(t)
	front := ca.Issue("front", time.Now().Add(50*time.Hour), "front.test")
	opaque := func(c *config.Config) { c.Listeners[0].Protocol = config.TCP }
	r := run(t, all(withAdmin, opaque, terminating(func(l *config.ListenerTLS) { l.Client.Mode, l.Client.CA = config.ClientRequire, ca.File }, front)), serve(t, echo))
	c := tls.Client(r.dial(), &tls.Config{RootCAs: ca.Pool, ServerName: "front.test"})
	_, err := c.Read(make([]byte, 1))
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("the client sees %v", err)
	}
	n := r.eventNamed(event.EventTLSFailed)
	if attribute(&n, event.AttrTLSFailure) != "no_client_certificate" || attribute(&n, event.AttrTLSServerName) != "front.test" ||
		attribute(&n, "client") == "" || attribute(&n, "listener") != "main" {
		t.Errorf("event %+v", n)
	}
	if _, stats := r.get("/stats"); !strings.Contains(stats, "listener.main.ssl.fail_verify_no_cert: 1\n") || !strings.Contains(stats, "listener.main.ssl.connection_error: 1\n") {
		t.Errorf("stats %s", stats)
	}
	if _, tapped := r.get("/tap?events=true&for=10ms"); !strings.Contains(tapped, `"name":"pitot.event.tls_certificate_expiring"`) {
		t.Errorf("who comes late is told %q", tapped)
	}
	if _, metrics := r.get("/metrics"); !strings.Contains(metrics, `pitot_listener_ssl_connection_error_total{listener="main"} 1`) ||
		!strings.Contains(metrics, `pitot_tls_certificate_expiry_seconds{path="`+front.Cert) {
		t.Errorf("metrics %s", metrics)
	}
	var certs struct{ Certificates []secure.Certificate }
	if _, body := r.get("/certs"); json.Unmarshal([]byte(body), &certs) != nil || len(certs.Certificates) != 2 || certs.Certificates[0].Path != front.Cert ||
		certs.Certificates[1].Use != "authority" {
		t.Errorf("certs %s", body)
	}
}

// A reset is told as one inside of TLS, too: the end must not look in order.
func TestTLSResetIsNoEnd(t *testing.T) {
	ca := testca.New(t)
	r := run(t, terminating(nil, ca.Issue("front", testca.Year(), "front.test")), serve(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.SetLinger(0)
	}))
	c := r.dialTLS(&tls.Config{RootCAs: ca.Pool, ServerName: "front.test"})
	say(t, c, "x")
	if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the client sees %v", err)
	}
	if x := r.next(); x.Flags != event.FlagUC {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// A receiver that takes nothing is given up after the idle time, and one that
// takes a little now and then is not.
func TestTLSStalledReceiver(t *testing.T) {
	ca := testca.New(t)
	idle := func(c *config.Config) { c.Listeners[0].Timeouts.Idle = 2 * time.Second }
	flood := serve(t, func(c *net.TCPConn) { _, _ = io.Copy(c, io.LimitReader(zeros{}, 64<<20)) })
	r := run(t, all(idle, terminating(nil, ca.Issue("front", testca.Year(), "front.test"))), flood)
	r.dialTLS(&tls.Config{RootCAs: ca.Pool, ServerName: "front.test"})
	if x := r.next(); x.Flags&event.FlagSI == 0 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
	slow := r.dialTLS(&tls.Config{RootCAs: ca.Pool, ServerName: "front.test"})
	for range 10 {
		time.Sleep(250 * time.Millisecond) // slower than the idle time in all
		if _, err := io.CopyN(io.Discard, slow, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
}

// ticketing is a server that gives out tickets after the handshake: where it
// asks for no certificate, crypto/tls does so within.
func ticketing(p testca.Pair) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{p.TLS}, ClientAuth: tls.RequestClientCert}
}

// An idle connection on which tickets lie is alive, one that the server has
// closed is not.
func TestTLSIdleUpstreamConnections(t *testing.T) {
	ca := testca.New(t)
	back := ca.Issue("back", testca.Year(), "127.0.0.1")
	said, leave := make(chan struct{}), make(chan struct{})
	address := serveTLS(t, ticketing(back), func(c *tls.Conn) {
		close(said)
		<-leave
	})
	release := sync.OnceFunc(func() { close(leave) })
	defer release()
	r := run(t, towards(ca, nil), address)
	h, err := r.clusters["main"].Pick(t.Context(), new(upstream.Want))
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-said
	for range 2 { // the tickets were written before said was closed
		if !c.Alive() {
			t.Fatal("taken for dead")
		}
	}
	release()
	for late := time.Now().Add(patience); c.Alive(); runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatal("taken for alive")
		}
	}
}

// Servers that give out tickets do not speak first for that.
func TestTLSAutoLateClient(t *testing.T) {
	ca := testca.New(t)
	back := ca.Issue("back", testca.Year(), "127.0.0.1")
	server := ticketing(back)
	for name, c := range map[string]struct {
		name  string // of the span: only who speaks first is looked at
		serve func(*tls.Conn)
		talk  func(*rig, net.Conn)
	}{
		"the client speaks first": {"shout", echoTLS, func(r *rig, c net.Conn) {
			say(t, c, "SHOUT hi")
			hear(t, c, "SHOUT hi")
		}},
		"the server speaks first": {"tcp", func(c *tls.Conn) { say(t, c, "220 welcome"); echoTLS(c) }, func(r *rig, c net.Conn) {
			hear(t, c, "220 welcome")
			say(t, c, "SHOUT hi")
			hear(t, c, "SHOUT hi")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := runOf(t, []decode.Protocol{shoutProtocol()}, all(quick, automatic, towards(ca, nil)), serveTLS(t, server, c.serve))
			conn := r.dial()
			for r.listeners[0].stats.DetectTimeout.Load() == 0 {
				runtime.Gosched()
			}
			c.talk(r, conn)
			conn.CloseWrite()
			if x := r.next(); x.Name != c.name {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
		})
	}
}
