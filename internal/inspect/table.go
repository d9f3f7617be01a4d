package inspect

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/pitot-io/pitot/internal/event"
)

// Widths of columns in cells. What is longer takes the room that it needs.
type columns struct{ time, stream, offset, size, what int }

const (
	narrow  = 120 // cells below which columns are close together
	absTime = 30  // of a time of day with nanoseconds
)

// table writes lines for people.
type table struct {
	in   *Inspector
	cols columns
}

func newTable(in *Inspector) *table {
	t := &table{in: in, cols: columns{12, 4, 9, 7, 18}}
	if w := in.o.Width; w > 0 && w < narrow {
		t.cols = columns{10, 3, 7, 6, 15}
	}
	if in.o.Absolute {
		t.cols.time = absTime
	}
	return t
}

func (t *table) message(b []byte, c *conn, m *message) []byte {
	line := t.start(c, m.At, m.Dir, m.Offset, m.Size)
	what := m.Protocol + " " + m.Kind
	if m.Stream != 0 {
		what += " " + strconv.FormatUint(uint64(m.Stream), 10)
	}
	line += " " + pad(what, t.cols.what) + " " + m.Text
	if m.Flags != 0 {
		line += " [" + flags(m.Flags) + "]"
	}
	b = t.line(b, line)
	if len(m.hex) > 0 && m.Unpacked != "" {
		b = append(append(append(b, "    "...), m.Unpacked...), ":\n"...)
	}
	return append(b, dump(m.hex)...)
}

func (t *table) gap(b []byte, c *conn, g *gap) []byte {
	line := t.start(c, g.at, g.dir, g.offset, g.n)
	why := "not in the capture"
	switch {
	case g.snapped:
		why = "cut by the snapshot length"
	case g.n == 0:
		why = "an unknown number of bytes is not in the capture"
	}
	return t.line(b, line+" "+pad("gap", t.cols.what)+" "+why)
}

func (t *table) notice(b []byte, n *event.Notice) []byte {
	name := strings.TrimPrefix(n.Name, "pitot.event.")
	if n.Name == event.EventComment {
		name = "comment on the " + attribute(n, "on")
		if packet := attribute(n, "packet"); packet != "" {
			name = "comment on packet " + packet
		}
	}
	stream := attribute(n, "tcp_stream")
	return t.line(b, fmt.Sprintf("%s %*s ! %s: %s", t.time(n.Time), t.cols.stream, cmp.Or(stream, "-"), name, n.Body))
}

// attribute is the text of that name, empty where n has none.
func attribute(n *event.Notice, key string) string {
	for _, kv := range n.Attributes {
		if kv.Key == key {
			return kv.Value
		}
	}
	return ""
}

func (t *table) exchange(b []byte, c *conn, x *event.Exchange, why []reason) []byte {
	status := x.Status.String()
	if x.ErrorType != "" {
		status += " " + x.ErrorType
	} else if x.HTTP != nil && x.HTTP.StatusCode != 0 {
		status = strconv.Itoa(x.HTTP.StatusCode)
	}
	line := fmt.Sprintf("%s %*d = %s: %s, %s, %s", t.time(x.Start), t.cols.stream, c.stream, x.Protocol, x.Name, status,
		time.Duration(x.Duration()))
	if len(why) == 0 {
		return t.line(b, line)
	}
	b = t.line(b, line+" ["+flags(x.Decode)+"]")
	for _, r := range why {
		b = t.wrap(b, "    "+r.Flag+": "+r.Why)
	}
	return b
}

// start is the columns that say where something is.
func (t *table) start(c *conn, at int64, d event.Dir, offset, size int64) string {
	arrow := "→"
	if d == event.ToClient {
		arrow = "←"
	}
	return fmt.Sprintf("%s %*d %s %*d %*d", t.time(at), t.cols.stream, c.stream, arrow, t.cols.offset, offset, t.cols.size, size)
}

func (t *table) time(at int64) string {
	if t.in.o.Absolute {
		return fmt.Sprintf("%*s", t.cols.time, time.Unix(0, at).UTC().Format("2006-01-02T15:04:05.000000000Z"))
	}
	return fmt.Sprintf("%*.6f", t.cols.time, float64(at-t.in.clock.First())/1e9)
}

// line writes one line; on a terminal it is cut where the terminal ends.
func (t *table) line(b []byte, s string) []byte {
	s = strings.TrimRight(printable(s), " ")
	if w := t.in.o.Width; w > 0 {
		if r := []rune(s); len(r) > w {
			s = string(r[:w-1]) + "…"
		}
	}
	return append(append(b, s...), '\n')
}

// wrap writes a sentence, in several lines where the terminal is too narrow.
func (t *table) wrap(b []byte, s string) []byte {
	s = printable(s)
	for w := t.in.o.Width; w > 20 && len([]rune(s)) > w; {
		r := []rune(s)
		at := strings.LastIndexByte(string(r[:w]), ' ')
		if at <= 8 {
			break
		}
		b = append(append(b, s[:at]...), '\n')
		s = "        " + s[at+1:]
	}
	return append(append(b, s...), '\n')
}

// printable shows control characters, which could paint over the screen, as
// dots.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
}

func pad(s string, n int) string { return fmt.Sprintf("%-*s", n, s) }

func flags(d event.DecodeFlags) string {
	var names []string
	d.Each(func(n string) { names = append(names, n) })
	return strings.Join(names, ", ")
}

// dump shows bytes the usual way, indented.
func dump(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return "    " + strings.ReplaceAll(strings.TrimSuffix(hex.Dump(b), "\n"), "\n", "\n    ") + "\n"
}
