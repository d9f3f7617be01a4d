package operator

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// TimeFormat writes times. The zero value writes 2026-01-02T03:04:05.678Z.
type TimeFormat struct{ pieces []timePiece }

type timePiece struct {
	text   string // literal
	layout string // of time.AppendFormat
	verb   byte   // 's', seconds since the Unix epoch; 'f', the fraction of a second
	digits int    // of the fraction
}

// verbs are strftime's, by Go's layout.
var verbs = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'j': "002", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
	'b': "Jan", 'h': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06",
	'z': "-0700", 'Z': "MST",
}

// ParseTime reads a format as strftime's: %Y-%m-%dT%H:%M:%S.%3fZ, with %s for
// seconds since the Unix epoch and %f, %1f to %9f for the fraction of a second
// (%f is %9f; %3f after %s makes milliseconds). Times are UTC.
func ParseTime(s string) (f TimeFormat, err error) {
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			f.pieces = append(f.pieces, timePiece{text: s})
			break
		}
		if i > 0 {
			f.pieces = append(f.pieces, timePiece{text: s[:i]})
		}
		p, n := timeVerb(s[i+1:])
		if n == 0 {
			return f, fmt.Errorf("%q in a format of times is unknown; there are %s", s[i:min(len(s), i+2)], knownVerbs)
		}
		f.pieces = append(f.pieces, p)
		s = s[i+1+n:]
	}
	return f, nil
}

const knownVerbs = "%Y %y %m %d %e %j %H %I %M %S %p %b %h %B %a %A %F %T %R %D %z %Z %s %f %1f to %9f %%"

// timeVerb reads what follows a percent sign; n is 0 when it is nothing known.
func timeVerb(s string) (p timePiece, n int) {
	if s == "" {
		return p, 0
	}
	switch c := s[0]; {
	case c == '%':
		return timePiece{text: "%"}, 1
	case c == 's':
		return timePiece{verb: 's'}, 1
	case c == 'f':
		return timePiece{verb: 'f', digits: 9}, 1
	case c >= '1' && c <= '9' && len(s) > 1 && s[1] == 'f':
		return timePiece{verb: 'f', digits: int(c - '0')}, 2
	default:
		layout := verbs[c]
		return timePiece{layout: layout}, min(1, len(layout))
	}
}

// Append adds the time ns, nanoseconds since the Unix epoch.
func (f *TimeFormat) Append(b []byte, ns int64) []byte {
	t := time.Unix(0, ns).UTC()
	if len(f.pieces) == 0 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	}
	for i := range f.pieces {
		switch p := &f.pieces[i]; {
		case p.text != "":
			b = append(b, p.text...)
		case p.layout != "":
			b = t.AppendFormat(b, p.layout)
		case p.verb == 's':
			b = strconv.AppendInt(b, t.Unix(), 10)
		default:
			b = fraction(b, t.Nanosecond(), p.digits)
		}
	}
	return b
}

func fraction(b []byte, ns, digits int) []byte {
	for unit := 100_000_000; digits > 0; digits-- {
		b = append(b, byte('0'+ns/unit%10))
		unit /= 10
	}
	return b
}

// Point is a moment of an exchange.
type Point uint8

const (
	RequestBegins Point = iota // DS_RX_BEG: first byte of the request
	RequestEnds                // DS_RX_END: its last byte
	AttemptBegins              // US_TX_BEG: the last attempt at an upstream host
	AnswerBegins               // US_RX_BEG, DS_TX_BEG: first byte of the answer
	AnswerEnds                 // US_RX_END, DS_TX_END: its last byte
)

var points = map[string]Point{
	"DS_RX_BEG": RequestBegins, "DS_RX_END": RequestEnds, "US_TX_BEG": AttemptBegins,
	"US_RX_BEG": AnswerBegins, "DS_TX_BEG": AnswerBegins, "US_RX_END": AnswerEnds, "DS_TX_END": AnswerEnds,
}

var precisions = map[string]int64{"ms": 1e6, "us": 1e3, "ns": 1}

// Interval is the time between two points, in units of so many nanoseconds.
type Interval struct {
	From, To Point
	Unit     int64
}

// ParseSpan reads START:END:UNIT, as DS_RX_BEG:US_RX_BEG:us.
func ParseSpan(s string) (Interval, error) {
	parts := strings.Split(s, ":")
	if len(parts) == 3 {
		from, ok1 := points[parts[0]]
		to, ok2 := points[parts[1]]
		unit, ok3 := precisions[parts[2]]
		if ok1 && ok2 && ok3 {
			return Interval{from, to, unit}, nil
		}
	}
	return Interval{}, fmt.Errorf("%q is no interval; must be two of DS_RX_BEG, DS_RX_END, US_TX_BEG, US_RX_BEG, US_RX_END, DS_TX_BEG, DS_TX_END and ms, us or ns, as DS_RX_BEG:US_RX_BEG:us", s)
}
