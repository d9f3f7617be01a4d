package route

import (
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
)

// Normal brings paths into one form before routes see them. The zero value
// leaves them as they are.
type Normal struct {
	dots, merge      bool
	reject, unescape bool // escaped slashes
}

// NewNormal makes what the configuration asks for.
func NewNormal(c config.PathOptions) Normal {
	return Normal{c.Normalize, c.MergeSlashes, c.EscapedSlashes == config.Reject, c.EscapedSlashes == config.Unescape}
}

// Path changes h's path, and its target with it. It reports false for one that
// must be refused: 400, path_normalization_failed. The text is s's.
func (n Normal) Path(h *http1.Head, s *Scratch) bool {
	if n == (Normal{}) || len(h.Path) == 0 || h.Path[0] != '/' {
		return true
	}
	at := len(s.text)
	if !n.decode(h.Path, s) {
		return false
	}
	p := s.text[at:]
	if n.dots {
		p = resolve(p)
	}
	if n.merge {
		p = merge(p)
	}
	if s.text = s.text[:at+len(p)]; string(p) == string(h.Path) {
		s.text = s.text[:at]
		return true
	}
	setPath(h, at, s)
	return true
}

// decode adds path with those escapes undone that mean the same as the
// character (RFC 3986, 6.2.2.2), and slashes where that is asked for. It
// reports false for an escaped slash that is refused, and for an escaped NUL.
func (n Normal) decode(path []byte, s *Scratch) bool {
	at := len(s.text)
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '\\' && n.dots:
			c = '/' // as browsers take it
		case c == '%' && i+2 < len(path):
			v, ok := escaped(path[i+1], path[i+2])
			slash := v == '/' || v == '\\'
			switch {
			case !ok:
			case slash && n.reject, v == 0 && n.dots:
				return false
			case slash && n.unescape, n.dots && unreserved(v) && !stray(s.text[at:]):
				if c, i = v, i+2; c == '\\' && n.dots {
					c = '/'
				}
			}
		}
		s.text = append(s.text, c)
	}
	return true
}

// stray reports whether p ends in a percent sign that begins no escape: a digit
// that is undone after it could make one, as in "/%0%30".
func stray(p []byte) bool {
	n := len(p)
	return n > 0 && p[n-1] == '%' || n > 1 && p[n-2] == '%'
}

func escaped(hi, lo byte) (byte, bool) {
	h, ok1 := hexDigit(hi)
	l, ok2 := hexDigit(lo)
	return h<<4 | l, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' < 10:
		return c - '0', true
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// unreserved are the characters that mean the same escaped (RFC 3986, 2.3).
func unreserved(c byte) bool {
	return c|0x20-'a' < 26 || c-'0' < 10 || c == '-' || c == '.' || c == '_' || c == '~'
}

// resolve takes "." and ".." out of p (RFC 3986, 5.2.4), in place. Nothing is
// above the root.
func resolve(p []byte) []byte {
	w := 0
	for r := 0; r < len(p); {
		end := r + 1
		for end < len(p) && p[end] != '/' {
			end++
		}
		seg := p[r+1 : end]
		switch dots := len(seg) <= 2 && string(seg) == ".."[:len(seg)] && len(seg) > 0; {
		case !dots:
			w += copy(p[w:], p[r:end])
		default:
			if len(seg) == 2 {
				w = up(p[:w])
			}
			if end == len(p) {
				p[w] = '/'
				w++
			}
		}
		r = end
	}
	if w == 0 {
		p[0], w = '/', 1
	}
	return p[:w]
}

// up is where the last segment of p begins, with its slash.
func up(p []byte) int {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] == '/' {
			return i
		}
	}
	return 0
}

// merge makes one slash of several, in place.
func merge(p []byte) []byte {
	w := 0
	for _, c := range p {
		if c == '/' && w > 0 && p[w-1] == '/' {
			continue
		}
		p[w] = c
		w++
	}
	return p[:w]
}
