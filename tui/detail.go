package tui

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// pane is all that is known of the chosen exchange, in at most h lines.
func (v *live) pane(w, h int) []string {
	x := v.chosen
	rule := v.line + v.line + " detail "
	out := []string{v.faint.Render(rule + strings.Repeat(v.line, max(0, w-len([]rune(rule)))))}
	out = append(out, v.summary(x, w)...)
	out = append(out, v.attributes(x, w)...)
	if over := len(out) - h; over > 0 && h > 1 {
		out = append(out[:h-1], v.faint.Render(fmt.Sprintf("  %d lines more: z gives the details the whole screen", over+1)))
	}
	return out
}

func (v *live) summary(x *event.Exchange, w int) []string {
	first := "  " + v.head.Render(clean(x.Name)) + "  " + clean(statusOf(x)) + "  " + duration(time.Duration(x.Duration()))
	if x.StatusMessage != "" {
		first += "  " + clean(x.StatusMessage)
	}
	out := []string{
		first,
		fmt.Sprintf("  %s  %s %s  %s -> %s  stream %d", time.Unix(0, x.Start).In(v.zone).Format("2006-01-02 15:04:05.000000"),
			clean(serviceOf(x)), x.Kind, address(x.Client), address(x.Server), x.Stream),
		v.timing(x, w),
	}
	if !x.TraceID.IsZero() {
		out = append(out, "  trace "+traceID(x)+"  span "+hex.EncodeToString(x.SpanID[:])+"  parent "+parent(x))
	}
	if x.Flags != 0 || x.Decode != 0 {
		out = append(out, "  flags "+orNone(x.Flags.String())+"  decode "+orNone(decodeFlags(x)))
	}
	return out
}

// timing draws the wait for the first byte and the rest of the answer.
func (v *live) timing(x *event.Exchange, w int) string {
	wait, all := x.TTFB(), x.Duration()
	text := fmt.Sprintf("  sent %s  received %s", number(float64(x.RequestBytes)), number(float64(x.ResponseBytes)))
	if wait == 0 || all == 0 {
		return text
	}
	text = fmt.Sprintf("  first byte %s ", duration(time.Duration(wait))) + "%s" + fmt.Sprintf(" rest %s ", duration(time.Duration(all-wait))) + "%s " + text
	room := max(4, min(40, w-len(text)))
	n := int(min(int64(room), wait*int64(room)/all))
	return fmt.Sprintf(text, strings.Repeat(v.bar, n), strings.Repeat(v.bar, room-n))
}

// attributes are what the JSON Lines carry, in two columns where there is room.
func (v *live) attributes(x *event.Exchange, w int) (out []string) {
	var keys, values []string
	x.Attributes(func(a event.Attr) {
		val := a.Text
		if a.IsInt {
			val = strconv.FormatInt(a.Int, 10)
		}
		keys, values = append(keys, a.Key), append(values, val)
	})
	column := w
	if w >= 140 {
		column = w / 2
	}
	kv := pairs(keys, values, column)
	if w < 140 {
		for _, s := range kv {
			out = append(out, "  "+s)
		}
		return out
	}
	half := (len(kv) + 1) / 2
	for i := range half {
		line := "  " + fit(kv[i], w/2-3, false)
		if i+half < len(kv) {
			line += " " + kv[i+half]
		}
		out = append(out, line)
	}
	return out
}

func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

func traceID(x *event.Exchange) string {
	if x.TraceID.IsZero() {
		return ""
	}
	return hex.EncodeToString(x.TraceID[:])
}

// trace is the beginning of the id, enough for a filter.
func trace(x *event.Exchange) string {
	if x.TraceID.IsZero() {
		return "-"
	}
	return traceID(x)[:8]
}

func parent(x *event.Exchange) string {
	if x.ParentID.IsZero() {
		return "none"
	}
	return hex.EncodeToString(x.ParentID[:])
}

func decodeFlags(x *event.Exchange) string {
	var names []string
	x.Decode.Each(func(n string) { names = append(names, n) })
	return strings.Join(names, ",")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
