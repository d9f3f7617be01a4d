package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// shoutProtocol is for tests: what a client says begins with "SHOUT ".
func shoutProtocol() decode.Protocol {
	return decode.Protocol{
		Name: "shout",
		Detect: func(d event.Dir, b []byte) decode.Verdict {
			switch want := "SHOUT "; {
			case d != event.ToServer:
				return decode.No
			case len(b) >= len(want) && string(b[:len(want)]) == want:
				return decode.Yes
			case strings.HasPrefix(want, string(b)):
				return decode.Maybe
			}
			return decode.No
		},
		New: func(c decode.Conn) decode.Decoder { return &shout{c: c} },
	}
}

// shout tells one exchange per answered line, and loses its place at a "!".
type shout struct {
	c     decode.Conn
	start int64
}

func (s *shout) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	if bytes.IndexByte(b, '!') >= 0 {
		return fmt.Errorf("shout: %w", decode.ErrLost)
	}
	if d == event.ToServer {
		s.start = at
	} else if s.start != 0 {
		emit.Exchange(&event.Exchange{Protocol: event.TCP, Name: "shout", Client: s.c.Client, Server: s.c.Server, Start: s.start, End: at})
		s.start = 0
	}
	return nil
}

func (s *shout) Gap(event.Dir, int64, int64, event.Emitter) {}

func (s *shout) End(event.Dir, int64, event.Emitter) {}

func (s *shout) Close(at int64, emit event.Emitter) {
	if s.start != 0 {
		emit.Exchange(&event.Exchange{Protocol: event.TCP, Name: "shout", Start: s.start, End: at, ErrorType: event.ErrUnanswered})
	}
}

// A decoder that loses its place is counted; the bytes go on.
func TestLostDecoderNeverStopsForwarding(t *testing.T) {
	r := run(t, automatic, serve(t, echo))
	c := r.dial()
	for _, text := range []string{"SHOUT one", "SHOUT !", "SHOUT two"} {
		say(t, c, text)
		hear(t, c, text)
	}
	if n := r.failures.Load(); n != 1 {
		t.Errorf("decode failures %d, want 1", n)
	}
	if x := r.next(); x.Name != "shout" {
		t.Errorf("exchange %+v", x)
	}
}
