package proxy

import (
	"errors"
	"testing"
	"time"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// What is told of a connection has the time that it took to come about, and how
// it failed.
func TestConnectedTellsTheTime(t *testing.T) {
	for _, c := range []struct {
		err  error
		want upstream.Failure
	}{
		{nil, upstream.NoFailure},
		{errors.New("refused"), upstream.ConnectFailed},
		{&upstream.DialError{Timeout: true}, upstream.ConnectTimeout},
	} {
		r := connected(time.Now().Add(-time.Second), c.err)
		if r.Took < time.Second || r.Took > time.Minute || r.Failure != c.want || r.Status != 0 {
			t.Errorf("%v: %+v", c.err, r)
		}
	}
}
