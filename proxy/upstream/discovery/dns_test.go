package discovery

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
)

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// of makes the source of a configuration's text.
func of(t *testing.T, text string) Source {
	t.Helper()
	c, err := config.Parse("f", []byte("listeners: [{address: \":1\", cluster: a}]\nclusters: [{name: a, discovery: {"+text+"}}]"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(c.Clusters[0].Discovery)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fetched is a source's answer as text.
func fetched(t *testing.T, s Source) string {
	t.Helper()
	a, err := s.Fetch(t.Context())
	if err != nil {
		return "error: " + err.Error()
	}
	return shown(a)
}

func shown(a Answer) string {
	if a.Idle {
		return "idle"
	}
	if a.Same {
		return "same"
	}
	var all []string
	for _, e := range a.Endpoints {
		s := e.Address
		if e.Weight > 1 || e.Priority > 0 || e.Hostname != "" {
			s += fmt.Sprintf("(%s %d %d)", e.Hostname, e.Weight, e.Priority)
		}
		all = append(all, s)
	}
	if a.TTL > 0 {
		all = append(all, "for "+a.TTL.String())
	}
	return strings.Join(all, " ")
}

func TestEveryAddressOfANameIsAnEndpoint(t *testing.T) {
	s := newNameServer(t)
	for _, c := range []struct{ more, records, want string }{
		{"", "shop.test. A 10.0.0.2 10.0.0.1", "10.0.0.1:80 10.0.0.2:80"},
		{"", "shop.test. A 10.0.0.2 2001:db8::1", "10.0.0.2:80"},
		{"", "shop.test. A 2001:db8::2 2001:db8::1", "[2001:db8::1]:80 [2001:db8::2]:80"},
		{"family: all", "shop.test. A 10.0.0.2 2001:db8::1", "10.0.0.2:80 [2001:db8::1]:80"},
		{"family: v6", "shop.test. A 10.0.0.2 2001:db8::1", "[2001:db8::1]:80"},
		{"family: v4", "shop.test. A 2001:db8::1", ""},
		{"", "other.test. A 10.0.0.2", ""}, // there is no such name: an answer
		{"respect_ttl: true", "shop.test. A 10.0.0.1", "10.0.0.1:80 for 1m0s"},
	} {
		s.set(c.records)
		text := "type: dns, name: \"shop.test.:80\", resolvers: [\"" + s.address + "\"]"
		if c.more != "" {
			text += ", " + c.more
		}
		if got := fetched(t, of(t, text)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.more, c.records, got, c.want)
		}
	}
}

func TestANameServerThatFailsIsNoEmptyAnswer(t *testing.T) {
	s := newNameServer(t)
	s.set("shop.test. A 10.0.0.1")
	source := of(t, "type: dns, name: \"shop.test.:80\", timeout: 200ms, resolvers: [\""+s.address+"\"]")
	s.change(func() { s.failing = true })
	if got := fetched(t, source); !strings.HasPrefix(got, "error: ") {
		t.Errorf("failing: %s", got)
	}
	s.change(func() { s.failing, s.silent = false, true })
	if got := fetched(t, source); !strings.HasPrefix(got, "error: ") {
		t.Errorf("silent: %s", got)
	}
	s.change(func() { s.silent = false })
	if got := fetched(t, source); got != "10.0.0.1:80" {
		t.Errorf("back: %s", got)
	}
}

func TestAnotherNameServerIsAsked(t *testing.T) {
	dead, live := newNameServer(t), newNameServer(t)
	dead.change(func() { dead.silent = true })
	live.set("shop.test. A 10.0.0.1")
	source := of(t, fmt.Sprintf("type: dns, name: \"shop.test.:80\", family: v4, timeout: 400ms, resolvers: [%q, %q]", dead.address, live.address))
	for range 3 {
		if got := fetched(t, source); got != "10.0.0.1:80" {
			t.Error(got)
		}
	}
}

func TestAnAnswerThatIsCutComesByTCP(t *testing.T) {
	s := newNameServer(t)
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, " 10.0.1.%d", i)
	}
	s.change(func() { s.short, s.lifetime = true, 7 })
	s.set("shop.test. A" + many.String())
	a, err := of(t, "type: dns, name: \"shop.test.:80\", respect_ttl: true, resolvers: [\""+s.address+"\"]").Fetch(t.Context())
	if err != nil || len(a.Endpoints) != 100 || a.TTL != 7*time.Second {
		t.Errorf("%d endpoints for %v, %v", len(a.Endpoints), a.TTL, err)
	}
	if s.overTCP == 0 {
		t.Error("nobody came by TCP")
	}
}

func TestALogicalNameIsOneEndpoint(t *testing.T) {
	s := newNameServer(t)
	l := of(t, "type: dns_logical, name: \"shop.test.:80\", resolvers: [\""+s.address+"\"]").(*logical)
	for _, c := range []struct{ records, where string }{
		{"none. A 10.0.0.9", "shop.test.:80"}, // nothing yet
		{"shop.test. A 10.0.0.2 10.0.0.1", "10.0.0.1:80"},
		{"shop.test. A 10.0.0.3", "10.0.0.3:80"},
		{"none. A 10.0.0.9", "10.0.0.3:80"}, // an empty answer changes nothing
	} {
		s.set(c.records)
		if got := fetched(t, l); got != "shop.test.:80" {
			t.Errorf("%s: %s", c.records, got)
		}
		if got := l.Where("shop.test.:80"); got != c.where {
			t.Errorf("%s: is at %s, want %s", c.records, got, c.where)
		}
	}
}

func TestServicesOfDNS(t *testing.T) {
	s := newNameServer(t)
	source := of(t, "type: srv, name: _http._tcp.shop.test., respect_ttl: true, resolvers: [\""+s.address+"\"]")
	s.set("_http._tcp.shop.test. SRV 20 0 81 b.shop.test.", "_http._tcp.shop.test. SRV 10 5 80 a.shop.test.", "_http._tcp.shop.test. SRV 10 7 80 gone.shop.test.",
		"a.shop.test. A 10.0.0.1 10.0.0.2", "b.shop.test. A 10.0.0.3")
	if got, want := fetched(t, source), "10.0.0.1:80(a.shop.test 5 0) 10.0.0.2:80(a.shop.test 5 0) 10.0.0.3:81(b.shop.test 1 1) for 1m0s"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	s.set("_http._tcp.shop.test. SRV 0 0 0 .")
	if got := fetched(t, source); got != "for 1m0s" {
		t.Errorf("no such service: %s", got)
	}
	s.set("else. A 10.0.0.1")
	if got := fetched(t, source); got != "" {
		t.Errorf("no record: %s", got)
	}
	s.change(func() { s.failing = true })
	if got := fetched(t, source); !strings.HasPrefix(got, "error: ") {
		t.Errorf("failing: %s", got)
	}
}

func TestTooManyRecordsAreRejected(t *testing.T) {
	s := newNameServer(t)
	s.change(func() { s.short = true })
	var lines []string
	for i := range maxTargets + 1 {
		lines = append(lines, fmt.Sprintf("_s._tcp.test. SRV 1 1 %d a.test.", i+1))
	}
	s.set(lines...)
	_, err := of(t, "type: srv, name: _s._tcp.test., resolvers: [\""+s.address+"\"]").Fetch(t.Context())
	if !errors.Is(err, errRejected) {
		t.Errorf("%v", err)
	}
	lines = lines[:0]
	for i := range config.MaxPriority + 2 {
		lines = append(lines, fmt.Sprintf("_s._tcp.test. SRV %d 1 80 a.test.", i))
	}
	s.set(lines...)
	if _, err = of(t, "type: srv, name: _s._tcp.test., resolvers: [\""+s.address+"\"]").Fetch(t.Context()); !errors.Is(err, errRejected) {
		t.Errorf("%v", err)
	}
}

func FuzzNote(f *testing.F) {
	f.Add([]byte("\x00\x01\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x04shop\x04test\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := (&names{ttl: true}).ask()
		if a.note(b); a.holds() < 0 || a.holds() > 0 && a.holds() < time.Second {
			t.Errorf("holds for %v", a.holds())
		}
	})
}
