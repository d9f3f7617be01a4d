package http1

import "github.com/pitot-io/pitot/decode"

// Begin makes h an empty head, to be filled by somebody who reads another
// version of HTTP; requestMethod is nil for a request, else that of the request
// that h answers.
func (h *Head) Begin(requestMethod []byte, lim decode.Limits) {
	h.clear()
	h.request, h.method = requestMethod == nil, requestMethod
	h.mode, h.limits, h.Minor = Strict, lim, 1
}

// Add adds a field, and notes what it says of the request (user agent, ids and
// trace context). It does not look at the limits.
func (h *Head) Add(name, value []byte, id FieldID) {
	h.Fields = append(h.Fields, Field{Name: name, Value: value, ID: id})
	if id != Other {
		_ = h.note(&h.known, &h.Fields[len(h.Fields)-1]) // fails for Connection only
	}
}

// SplitTarget sets Target, Path and Query of a target in origin form.
func (h *Head) SplitTarget(target []byte) {
	h.Target = target
	h.pathQuery(target)
}

// ParseLength is the number in a Content-Length field (RFC 9110, 8.6).
func ParseLength(value []byte) (n int64, ok bool) {
	h := Head{mode: Strict}
	return h.parseLength(value)
}

// Token reports whether b is a token (RFC 9110, 5.6.2).
func Token(b []byte) bool { return isToken(b) }

// Content reports whether b holds no control character other than HTAB, and so
// can be a field's value (RFC 9110, 5.5).
func Content(b []byte) bool { return textEnd(b, 0) == len(b) }

// ValidAuthority reports whether b is host[:port] in the characters of RFC 3986, 3.2.2.
func ValidAuthority(b []byte) bool { return validAuthority(b) }
