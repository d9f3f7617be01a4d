package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/pitot-io/pitot/internal/event"
)

// clean makes text from the wire safe to print: what a terminal could take for
// a command becomes a dot.
func clean(s string) string {
	bad := func(r rune) bool {
		return unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Cf, r)
	}
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if bad(r) {
			return '.'
		}
		return r
	}, s)
}

// fit cuts or pads s to w cells.
func fit(s string, w int, right bool) string {
	if w <= 0 {
		return ""
	}
	n := ansi.StringWidth(s)
	switch {
	case n > w:
		return ansi.Truncate(s, w, "~")
	case right:
		return strings.Repeat(" ", w-n) + s
	}
	return s + strings.Repeat(" ", w-n)
}

// short cuts the name of a gRPC method, or an address, which has no room in w
// cells, at its beginning: the package says less than the method, and the
// network less than the port.
func short(s string, w int) string {
	name := strings.TrimLeft(s, " ")
	room := w - (len(s) - len(name))
	wide := ansi.StringWidth(name)
	if wide <= room || room < 2 || strings.IndexByte(name, '/') <= 0 && !isAddress(name) || strings.ContainsRune(name, ' ') {
		return s
	}
	return s[:len(s)-len(name)] + ansi.TruncateLeft(name, wide-room+1, "~")
}

// isAddress tells a host with its port.
func isAddress(s string) bool {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 || i == len(s)-1 || strings.Trim(s[i+1:], "0123456789") != "" {
		return false
	}
	return s[i-1] == ']' || strings.IndexByte(s, ':') == i // not a time of day
}

// pairs are keys with their values in two columns of w cells, of which the
// first has room for every key where that leaves half for values.
func pairs(keys, values []string, w int) []string {
	const least = 34 // so that what stands below each other begins at one place
	room := least
	for _, k := range keys {
		room = max(room, ansi.StringWidth(clean(k)))
	}
	room = min(room, max(least, w/2))
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = fit(clean(k), room, false) + " " + clean(values[i])
	}
	return out
}

func duration(d time.Duration) string {
	switch {
	case d <= 0:
		return "0"
	case d < time.Millisecond:
		return strconv.Itoa(int(max(1, d/time.Microsecond))) + "us"
	case d < 9950*time.Microsecond:
		return fmt.Sprintf("%.1fms", float64(d)/1e6)
	case d < time.Second:
		return strconv.Itoa(int(d/time.Millisecond)) + "ms"
	case d < 100*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 100*time.Minute:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return strconv.Itoa(int(d/time.Hour)) + "h"
}

// number writes n in at most six cells.
func number(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1fG", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 1e5:
		return fmt.Sprintf("%.0fk", n/1e3)
	case n >= 1e4:
		return fmt.Sprintf("%.1fk", n/1e3)
	case n >= 1e3:
		return fmt.Sprintf("%d,%03d", int(n)/1000, int(n)%1000)
	case n >= 10 || n == float64(int(n)):
		return strconv.Itoa(int(n + 0.5))
	}
	return fmt.Sprintf("%.1f", n)
}

func percent(share float64) string {
	switch p := share * 100; {
	case p == 0:
		return "0"
	case p >= 99.95:
		return "100"
	case p >= 10:
		return fmt.Sprintf("%.1f", p)
	case p < 0.01:
		return "<.01"
	default:
		return fmt.Sprintf("%.2f", p)
	}
}

// protocol is the short name in a column.
func protocol(p event.Protocol) string {
	switch p {
	case event.HTTP10, event.HTTP11:
		return "http"
	case event.MongoDB:
		return "mongo"
	case event.WebSocket:
		return "ws"
	}
	return p.String()
}

// protocolOf is the short name of an exchange's protocol: gRPC whatever
// version of HTTP carried it.
func protocolOf(x *event.Exchange) string {
	if x.GRPC != nil {
		return protocol(event.GRPC)
	}
	return protocol(x.Protocol)
}

// statusOf is the protocol's own outcome.
func statusOf(x *event.Exchange) string {
	switch {
	case x.GRPC != nil && x.GRPC.Status >= 0:
		return event.GRPCStatus(x.GRPC.Status)
	case x.HTTP2 != nil && x.HTTP2.Reset != "" && x.Status == event.Error:
		return x.HTTP2.Reset
	case x.Decode&event.NoResponse != 0 || x.ErrorType == event.ErrUnanswered:
		return "none"
	case x.HTTP != nil && x.HTTP.StatusCode != 0:
		return strconv.Itoa(x.HTTP.StatusCode)
	case x.Mongo != nil && x.Mongo.CodeName != "":
		return x.Mongo.CodeName
	case x.Status == event.Error && x.ErrorType != "":
		return x.ErrorType
	case x.Status == event.Error:
		return "error"
	case x.Mongo != nil && x.Mongo.Returned >= 0:
		return "n=" + number(float64(x.Mongo.Returned))
	}
	return "ok"
}

// unsure are the decode flags that make an exchange worth a sign; the others
// say how it was taken.
const unsure = ^(event.PacketClock | event.Redacted | event.Reordered)

// sign marks a row without colour: x failed, ~ not seen whole.
func sign(x *event.Exchange) string {
	switch {
	case x.Status == event.Error:
		return "x"
	case x.Decode&unsure != 0:
		return "~"
	}
	return " "
}

// site is where a command comes from, "-" when nobody said.
func site(x *event.Exchange) string {
	if x.Mongo == nil || x.Mongo.Site.Name == "" {
		return "-"
	}
	return clean(x.Mongo.Site.Name)
}
