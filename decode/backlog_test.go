package decode_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// waiting is what a backlog gives back, as text.
func waiting(l *decode.Backlog) (told string) {
	_ = l.Each(func(h *decode.Held, b []byte) error {
		told += fmt.Sprintf("%v %d @%d %q gap %d end %t\n", h.Dir, h.At, h.Seq, b, h.Gap, h.End)
		return nil
	})
	return told
}

func TestBacklogJoinsWhatBelongsTogether(t *testing.T) {
	const c, s = event.ToServer, event.ToClient
	var l decode.Backlog
	add := func(h decode.Held, b string) { l.Add(h, []byte(b)) }
	add(decode.Held{Dir: c, At: 1, Seq: 10}, "ab")
	add(decode.Held{Dir: c, At: 1, Seq: 12}, "cd")
	add(decode.Held{Dir: c, At: 2, Seq: 14}, "e")
	add(decode.Held{Dir: c, At: 3, Gap: 5}, "")
	add(decode.Held{Dir: c, At: 4, Gap: 6}, "")
	add(decode.Held{Dir: s, At: 4, Seq: 7}, "f")
	add(decode.Held{Dir: s, At: 4, End: true}, "")
	l.Prepend(decode.Held{Dir: s, At: 0, Seq: 3}, []byte("first"))
	if l.Len() != 6 || l.Bytes() != 11 {
		t.Errorf("%d pieces of %d bytes", l.Len(), l.Bytes())
	}
	want := "to_client 0 @3 \"first\" gap 0 end false\nto_server 1 @10 \"abcd\" gap 0 end false\nto_server 2 @14 \"e\" gap 0 end false\n" +
		"to_server 3 @0 \"\" gap 11 end false\nto_client 4 @7 \"f\" gap 0 end false\nto_client 4 @0 \"\" gap 0 end true\n"
	if got := waiting(&l); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if waiting(&l) != "" || l.Bytes() != 0 {
		t.Error("it was told and is still there")
	}
}

func TestBacklogForgets(t *testing.T) {
	var l decode.Backlog
	l.Add(decode.Held{Dir: event.ToServer}, []byte("abc"))
	l.Add(decode.Held{Dir: event.ToServer, Gap: 4}, nil)
	l.Add(decode.Held{Dir: event.ToClient}, []byte("x"))
	if n := l.Missing(); n != [2]int64{7, 1} || l.Len() != 0 {
		t.Errorf("%d bytes were missing, %d pieces are left", n, l.Len())
	}
	l.Add(decode.Held{}, []byte("a"))
	l.Add(decode.Held{End: true}, nil)
	failed, calls := errors.New("failed"), 0
	if err := l.Each(func(*decode.Held, []byte) error { calls++; return failed }); err != failed || calls != 1 || l.Len() != 0 {
		t.Errorf("%v after %d calls, %d pieces left", err, calls, l.Len())
	}
}
