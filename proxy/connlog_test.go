package proxy

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/testca"
)

// logging writes lines of text, or of the default, to a file of the test's.
func logging(t *testing.T, text string) (file string, change func(*config.Config)) {
	file = filepath.Join(t.TempDir(), "access.log")
	conn := text
	if text == "" {
		conn = config.DefaultLine
	}
	return file, func(c *config.Config) {
		c.Listeners[0].AccessLog = []config.AccessLog{{File: file, Text: conn, Queue: 1 << 20}}
	}
}

const everyPart = "%LISTENER% %PROTOCOL% %REQ(x)% %RESPONSE_CODE% %REQUESTED_SERVER_NAME% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% " +
	"%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_WIRE_BYTES_SENT% %ACCESS_LOG_TYPE% %CONNECTION_TERMINATION_DETAILS% %DOWNSTREAM_TLS_VERSION%"

// A connection that is forwarded as it is has a line, whatever is spoken on it
// and however it ends.
func TestConnectionsAreLogged(t *testing.T) {
	dead := refusing(t)
	back := serve(t, echo)
	for name, c := range map[string]struct {
		change func(*config.Config)
		to     string
		talk   func(*rig, *net.TCPConn)
		want   string
	}{
		"in order": {nil, back, func(r *rig, c *net.TCPConn) {
			say(r.t, c, "hello")
			hear(r.t, c, "hello")
			c.CloseWrite()
			hear(r.t, c, "")
			_, _ = c.Read(make([]byte, 1))
		}, "- - 0 - main @ @ - 5 5 5 TcpConnectionEnd - -"},
		"bytes that are decoded": {speaking(config.MongoDB), back, func(r *rig, c *net.TCPConn) {
			say(r.t, c, "no message of MongoDB's")
			hear(r.t, c, "no message of MongoDB's")
			c.CloseWrite()
			_, _ = c.Read(make([]byte, 1))
		}, "- - 0 - main @ @ - 23 23 23 TcpConnectionEnd - -"},
		"refused":       {nil, dead, nil, "- - 0 - main @ - UF 0 0 0 TcpConnectionEnd connect_failed -"},
		"client resets": {nil, back, func(r *rig, c *net.TCPConn) { say(r.t, c, "x"); hear(r.t, c, "x"); c.SetLinger(0) }, "- - 0 - main @ @ DC 1 1 1 TcpConnectionEnd downstream_reset -"},
		"idle": {func(c *config.Config) { c.Listeners[0].Timeouts.Idle = 50 * time.Millisecond }, back, func(r *rig, c *net.TCPConn) { _, _ = c.Read(make([]byte, 1)) },
			"- - 0 - main @ @ SI 0 0 0 TcpConnectionEnd idle_timeout -"},
		"drain": {func(c *config.Config) { c.Drain.Timeout = 10 * time.Millisecond }, back, func(r *rig, c *net.TCPConn) {
			say(r.t, c, "x")
			hear(r.t, c, "x")
			r.stop()
		}, "- - 0 - main @ @ - 1 1 1 TcpConnectionEnd drain -"},
		"undecided": {automatic, back, func(r *rig, c *net.TCPConn) {
			say(r.t, c, "\x00\x01\x02\x03")
			hear(r.t, c, "\x00\x01\x02\x03")
			c.CloseWrite()
			_, _ = c.Read(make([]byte, 1))
		}, "- - 0 - main @ @ - 4 4 4 TcpConnectionEnd - -"},
	} {
		t.Run(name, func(t *testing.T) {
			file, log := logging(t, everyPart)
			change := log
			if c.change != nil {
				change = all(c.change, log)
			}
			r := run(t, change, c.to)
			if c.talk != nil {
				conn := r.dial()
				c.talk(r, conn)
				conn.Close()
			} else if err := r.turnedAway(); err == nil {
				t.Error("the connection is taken")
			}
			want := strings.ReplaceAll("main "+c.want, "@", c.to)
			if got := logged(t, r, file); len(got) != 1 || got[0] != want {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
		})
	}
}

// The line of TLS that is passed on has the name that the client asked for.
func TestPassedTLSIsLogged(t *testing.T) {
	ca := testca.New(t)
	one, two := named(t, ca, "one"), named(t, ca, "two")
	for _, protocol := range []string{config.PassTLS, config.TCP} {
		file, log := logging(t, "%REQUESTED_SERVER_NAME% %UPSTREAM_CLUSTER% %RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% %DOWNSTREAM_TLS_CIPHER%")
		r := runWithTLS(t, all(byNames(protocol, "", one, two), log), one)
		c := r.dialTLS(&tls.Config{ServerName: "one.test", InsecureSkipVerify: true})
		hear(t, c, "one")
		c.Close()
		r.next()
		for _, name := range []string{"other.test", ""} {
			if c, err := tls.Dial("tcp", r.Addr("main").String(), &tls.Config{ServerName: name, InsecureSkipVerify: true}); err == nil {
				c.Close()
				t.Errorf("%q is taken", name)
			}
		}
		r.dial().Close()
		got := strings.Join(logged(t, r, file), "\n")
		for _, want := range []string{"one.test one ", "other.test - NR route_not_found -", "- - NR route_not_found -", "- - - no_client_hello -"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in\n%s", protocol, want, got)
			}
		}
	}
}

// Without a format of its own a connection's line is another than a request's.
func TestDefaultLineOfConnections(t *testing.T) {
	file, log := logging(t, "")
	to := serve(t, echo)
	r := run(t, log, to)
	c := r.dial()
	say(t, c, "hello")
	hear(t, c, "hello")
	c.Close()
	r.next()
	line := logged(t, r, file)[0]
	if want := fmt.Sprintf(`^\[20[^]]+\] 127\.0\.0\.1:\d+ "-" "main" "%s" - 5 5 \d+ - 0$`, regexp.QuoteMeta(to)); !regexp.MustCompile(want).MatchString(line) {
		t.Errorf("%s\nis not as\n%s", line, want)
	}
}
