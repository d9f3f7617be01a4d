package tap_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
	"github.com/pitot-io/pitot/tap"
)

// spoken is a protocol that begins "ask" and tells every piece as a message.
func spoken() decode.Protocol {
	return decode.Protocol{
		Name: "spoken",
		Detect: func(_ event.Dir, b []byte) decode.Verdict {
			if strings.HasPrefix(string(b), "ask") {
				return decode.Yes
			}
			return decode.No
		},
		New: func(c decode.Conn) decode.Decoder {
			bare := c
			bare.Inspect = nil
			return &speaker{Decoder: decode.NewOpaque(bare), c: c}
		},
	}
}

type speaker struct {
	decode.Decoder
	c decode.Conn
}

func (s *speaker) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	if s.c.Inspect != nil {
		s.c.Inspect(&decode.Message{Dir: d, Text: string(b)})
	}
	return s.Decoder.Feed(d, at, b, emit)
}

type watcher struct {
	r   *tap.Replay
	log *strings.Builder
}

func (w watcher) Feed(d event.Dir, offset int64, b []byte) {
	fmt.Fprintf(w.log, "%d: %v %d %s\n", w.r.Packet(), d, offset, b)
}
func (w watcher) Gap(d event.Dir, at, offset, n int64, snapped bool) {
	fmt.Fprintf(w.log, "%d: gap %v %d+%d %t\n", w.r.Packet(), d, offset, n, snapped)
}
func (w watcher) Message(m *decode.Message)      { fmt.Fprintf(w.log, "message %v %s\n", m.Dir, m.Text) }
func (w watcher) Close(at int64, unwatched bool) { fmt.Fprintf(w.log, "closed %t\n", unwatched) }

func TestAWatcherSeesItsConnection(t *testing.T) {
	f := newTape()
	f.talk(0, 1001)
	f.tcp(20, 1002, true, syn, 99, "", 0)
	f.tcp(20, 1002, true, 0, 100, "ask", 0)
	f.tcp(30, 1002, false, 0, 500, "answer", 2)
	f.tcp(40, 1002, false, 0, 506, "more", 0)
	var log strings.Builder
	w := watcher{log: &log}
	o := tap.ReplayOptions{
		Files: []string{f.save(t)}, Protocols: []decode.Protocol{spoken()},
		Watch: func(c decode.Conn) tap.Watcher {
			if c.Stream != 1 {
				return nil
			}
			return w
		},
	}
	r, err := tap.OpenReplay(o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.r = r
	var got testkit.Recorder
	if _, err := r.Run(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	want := "7: to_server 0 ask\nmessage to_server ask\n8: to_client 0 answ\nmessage to_client answ\n8: gap to_client 4+2 true\n" +
		"9: to_client 6 more\nmessage to_client more\nclosed true\n"
	if log.String() != want {
		t.Errorf("got\n%swant\n%s", log.String(), want)
	}
	if n := len(got.Exchanges); n != 2 {
		t.Errorf("%d exchanges, want those of both connections", n)
	}
}
