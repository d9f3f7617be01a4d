package proxy

import (
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/socket"
)

// What is decoded grows stacks; a direction that has been quiet goes on in a
// new goroutine, again and again, and nobody notices.
func TestQuietDirectionsChangeTheirGoroutines(t *testing.T) {
	r := run(t, func(c *config.Config) { c.Listeners[0].Protocol = config.Auto }, serve(t, echo))
	c := r.dial()
	for range 3 {
		say(t, c, "SHOUT hi")
		hear(t, c, "SHOUT hi")
		p := r.listeners[0].serving.Handler.(*auto).others["shout"].pairs()[0]
		before := waiting(t, nil)
		p.last.Store(time.Now().Add(-2 * restAfter).UnixNano())
		_ = p.client.SetReadDeadline(time.Unix(1, 0)) // wakes them as if that much time had gone by
		_ = p.up.SetReadDeadline(time.Unix(1, 0))
		waiting(t, before)
	}
	_ = c.CloseWrite()
	for range 3 {
		if x := r.next(); x.Name != "shout" || x.ErrorType != "" {
			t.Errorf("span %s", x.AppendJSON(nil))
		}
	}
}

// waiting names the two goroutines that wait for bytes to forward, once they
// are none of those before.
func waiting(t *testing.T, before []string) (now []string) {
	t.Helper()
	for late := time.Now().Add(patience); time.Now().Before(late); runtime.Gosched() {
		now = now[:0]
		b := make([]byte, 1<<20)
		for g := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
			name, _, _ := strings.Cut(g, " [")
			if strings.Contains(g, "(*pair).carry(") && strings.Contains(g, "(*half).wait") && !slices.Contains(before, name) {
				now = append(now, name)
			}
		}
		if len(now) == 2 {
			return now
		}
	}
	t.Fatalf("waiting: %q, before: %q", now, before)
	return nil
}

func TestRestComesOnceAndTheEndOfPatienceAfterIt(t *testing.T) {
	src, err := net.Dial("tcp", serve(t, echo))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	p := &pair{idle: time.Minute}
	h := &half{p: p, src: socket.Plain(src.(*net.TCPConn))}
	began := time.Now()
	p.last.Store(began.UnixNano())
	for _, c := range []struct {
		after time.Duration
		want  error
	}{{restAfter / 2, nil}, {restAfter, errRest}, {2 * restAfter, nil}, {59 * time.Second, nil}, {time.Minute, errIdle}} {
		if err := h.late(began.Add(c.after)); err != c.want {
			t.Errorf("after %v: %v, want %v", c.after, err, c.want)
		}
	}
	p.idle = 0
	if err := h.late(began.Add(time.Hour)); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	h.rests, p.tally = false, new(tally)
	if err := h.late(began.Add(time.Hour)); err != nil {
		t.Errorf("without a decoder: %v", err)
	}
}
