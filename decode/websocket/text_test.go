package websocket

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// keeping plays pieces to a session whose messages are kept, up to limit bytes
// of each.
func keeping(t *testing.T, limit, chunk int, pieces ...testkit.Piece) []string {
	t.Helper()
	c := testConn()
	c.Keep.Body = limit
	r := testkit.Play(Take(c, upgraded()), chunk, pieces...)
	if len(r.Exchanges) != 1 {
		t.Fatalf("told %s", r.JSON())
	}
	var all []string
	for _, m := range r.Exchanges[0].WebSocket.Messages {
		s := fmt.Sprintf("%v %q", m.Dir, m.Data)
		if m.Binary {
			s += " binary"
		}
		if m.Cut {
			s += " cut"
		}
		all = append(all, s)
	}
	return all
}

// deflater compresses messages as permessage-deflate does, each with what was
// before it as its dictionary.
type deflater struct {
	buf bytes.Buffer
	w   *flate.Writer
}

func (z *deflater) message(t *testing.T, text string) string {
	t.Helper()
	if z.w == nil {
		z.w, _ = flate.NewWriter(&z.buf, 9)
	}
	z.buf.Reset()
	z.w.Write([]byte(text))
	z.w.Flush()
	return strings.TrimSuffix(z.buf.String(), "\x00\x00\xff\xff")
}

func TestMessagesAreKept(t *testing.T) {
	var z deflater
	long := strings.Repeat("the same again, ", 4000) // more than is referred back to
	first, second, third := z.message(t, "hello hello"), z.message(t, "hello hello hello"), z.message(t, long)
	pieces := []testkit.Piece{
		testkit.C(c(opText, "plain")), testkit.S(raw(opBinary, false, "in ") + s(opPing, "x") + raw(opContinuation, false, "three ") + s(opContinuation, "parts")),
		testkit.S(s(opText, "")), testkit.C(c(opText, "0123456789abcdef0123456789abcdef")),
		testkit.S(raw(final|compressed|opText, false, first) + raw(compressed|opText, false, second[:4]) + s(opContinuation, second[4:])),
		testkit.S(raw(final|compressed|opText, false, third)), testkit.S(raw(final|compressed|opText, false, z.message(t, "the same"))),
	}
	want := []string{`to_server "plain"`, `to_client "in three parts" binary`, `to_client ""`, `to_server "0123456789abcdef0123" cut`, `to_client "hello hello"`,
		`to_client "hello hello hello"`, `to_client "the same again, the " cut`, `to_client "the same"`}
	for chunk := range 40 {
		if got := keeping(t, 20, chunk, pieces...); !slices.Equal(got, want) {
			t.Fatalf("in pieces of %d: got\n%s\nwant\n%s", chunk, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestWhatIsMissingIsNotMadeUp: a compressed message that may refer to one that
// was not read is not read either.
func TestWhatIsMissingIsNotMadeUp(t *testing.T) {
	var z deflater
	bad := testkit.S(raw(final|compressed|opText, false, "\xff\xff\xff"))
	good := testkit.S(raw(final|compressed|opText, false, z.message(t, "text")))
	if got := keeping(t, 100, 0, bad, good, testkit.S(s(opText, "plain"))); !slices.Equal(got, []string{`to_client "" cut`, `to_client "" cut`, `to_client "plain"`}) {
		t.Errorf("%q", got)
	}
	conn := testConn()
	conn.Keep.Body = 100
	d, r := Take(conn, upgraded()), new(testkit.Recorder)
	f := s(opText, "0123456789")
	d.Feed(event.ToClient, 1, []byte(f[:4]), r)
	d.Gap(event.ToClient, 2, 3, r)
	d.Feed(event.ToClient, 3, []byte(f[7:]), r)
	d.Close(4, r)
	if m := r.Exchanges[0].WebSocket.Messages; len(m) != 1 || !m[0].Cut || m[0].Data != "0156789" {
		t.Errorf("%+v", m)
	}
}

// TestKeptMessagesAreBounded: in number and in bytes, from the beginning.
func TestKeptMessagesAreBounded(t *testing.T) {
	var many, large strings.Builder
	for range mostMessages + 10 {
		many.WriteString(s(opText, "x"))
	}
	for range 30 {
		large.WriteString(s(opBinary, strings.Repeat("y", 50<<10)))
	}
	if n := len(keeping(t, 100, 0, testkit.S(many.String()))); n != mostMessages {
		t.Errorf("%d messages kept, want %d", n, mostMessages)
	}
	if n := len(keeping(t, 100<<10, 0, testkit.S(large.String()+s(opText, "small")))); n != mostText/(50<<10) {
		t.Errorf("%d large messages kept", n)
	}
}
