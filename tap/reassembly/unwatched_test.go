package reassembly

import (
	"strings"
	"testing"
)

// ending notes at Close how the connection ended.
type ending struct {
	told
	unwatched *bool
}

func (e *ending) Close(at int64) { *e.unwatched = e.conn.Unwatched() }

func TestWhoEndsAConnection(t *testing.T) {
	for name, c := range map[string]struct {
		last string
		want bool
	}{
		"the capture": {`> - 3 "x"`, true},
		"a reset":     {`< R 900 ack=3`, false},
		"both sides":  {`> F 3 ack=900; < F 900 ack=4`, false},
	} {
		var unwatched bool
		var out strings.Builder
		a := New(DefaultLimits(), func(c *Conn) Stream {
			return &ending{told{out: &out, conn: c}, &unwatched}
		})
		now := int64(1e18)
		for line := range strings.SplitSeq(`> S 0; < S 899 ack=1; > - 1 ack=900 "ab"; `+c.last, "; ") {
			s := segmentOf(t, line)
			a.Segment(now, &s)
		}
		a.Flush()
		if unwatched != c.want {
			t.Errorf("ended by %s: unwatched %t, want %t", name, unwatched, c.want)
		}
	}
}
