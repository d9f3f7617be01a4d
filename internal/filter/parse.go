package filter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Parse reads an expression. The empty one gives a filter that fits
// everything. The error is always an *Error.
func Parse(s string) (*Filter, error) {
	if len(s) > MaxLength {
		return nil, &Error{s, MaxLength, fmt.Sprintf("the expression has %d bytes; at most %d are taken", len(s), MaxLength)}
	}
	if !utf8.ValidString(s) {
		return nil, &Error{strings.ToValidUTF8(s, "?"), 0, "the expression is not valid UTF-8"}
	}
	p := &parser{in: s}
	f, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if p.at < len(p.in) { // nothing else ends an expression
		return nil, p.fail(p.at, "no parenthesis is open here; quote it to look for it as text")
	}
	return f, nil
}

type parser struct {
	in   string
	at   int
	open int // parentheses
}

// maxNesting bounds parentheses in parentheses.
const maxNesting = 32

// alternatives takes what is joined by "or", up to a closing parenthesis or
// the end.
func (p *parser) alternatives() (*Filter, error) {
	f := new(Filter)
	for {
		terms, err := p.terms()
		if err != nil {
			return nil, err
		}
		at := p.at
		isOr := p.word("or")
		if len(terms) == 0 && (isOr || len(f.any) > 0) {
			return nil, p.fail(at, "\"or\" needs a term on both sides; quote it to look for it as text")
		}
		if len(terms) > 0 {
			f.any = append(f.any, terms)
		}
		if !isOr {
			return f, nil
		}
	}
}

// terms takes what is joined by space, or by "and".
func (p *parser) terms() (all []term, err error) {
	for p.skipSpace(); p.at < len(p.in); p.skipSpace() {
		start := p.at
		if p.in[p.at] == ')' || p.peek("or") {
			break
		}
		if p.word("and") {
			p.skipSpace()
			if len(all) == 0 || p.at == len(p.in) || p.in[p.at] == ')' || p.peek("or") || p.peek("and") {
				return nil, p.fail(start, "\"and\" needs a term on both sides; quote it to look for it as text")
			}
		}
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// peek reports whether the next word is w, letter case aside.
func (p *parser) peek(w string) bool {
	rest := p.in[p.at:]
	if len(rest) < len(w) || !strings.EqualFold(rest[:len(w)], w) {
		return false
	}
	r, size := utf8.DecodeRuneInString(rest[len(w):])
	return size == 0 || unicode.IsSpace(r) || r == '(' || r == ')'
}

// word takes the next word when it is w.
func (p *parser) word(w string) bool {
	if !p.peek(w) {
		return false
	}
	p.at += len(w)
	return true
}

// group takes what stands in parentheses; the first is at hand.
func (p *parser) group() (*Filter, error) {
	start := p.at
	if p.open++; p.open > maxNesting {
		return nil, p.fail(start, "parentheses are nested more than %d deep", maxNesting)
	}
	p.at++
	f, err := p.alternatives()
	switch {
	case err != nil:
		return nil, err
	case p.at == len(p.in):
		return nil, p.fail(start, "the parenthesis is not closed; quote it to look for it as text")
	case len(f.any) == 0:
		return nil, p.fail(start, "there is nothing in the parentheses")
	}
	p.at++
	p.open--
	return f, p.ended("parenthesis")
}

// item is one alternative of a value and where it stands.
type item struct {
	text string
	pos  int
}

func (p *parser) fail(pos int, format string, a ...any) *Error {
	return &Error{p.in, pos, fmt.Sprintf(format, a...)}
}

func (p *parser) skipSpace() {
	for p.at < len(p.in) {
		r, size := utf8.DecodeRuneInString(p.in[p.at:])
		if !unicode.IsSpace(r) {
			return
		}
		p.at += size
	}
}

func (p *parser) term() (t term, err error) {
	if c := p.in[p.at]; c == '-' || c == '!' {
		t.negated = true
		p.at++
	} else if p.word("not") {
		t.negated = true
		p.skipSpace()
	}
	start := p.at
	if p.at < len(p.in) && p.in[p.at] == '(' {
		t.group, err = p.group()
		return t, err
	}
	name, op := p.head()
	if op == "" {
		return t, p.bare(&t, start)
	}
	f := fieldNamed(name)
	if f == nil {
		return t, p.fail(start, "%s", unknownField(name))
	}
	if op[0] == '!' {
		t.negated, op = !t.negated, op[1:]
	}
	return t, p.compare(&t, f, op, start, start+len(name))
}

// head takes a field's name and an operator, or nothing at all when what
// stands here is a bare word. "!=" and "!~" come as they are, ":" as "=".
func (p *parser) head() (name, op string) {
	i := p.at
	for i < len(p.in) && isName(p.in[i]) {
		i++
	}
	if i == p.at {
		return "", ""
	}
	rest := p.in[i:]
	for _, op := range [...]string{"!=", "!~", ">=", "<=", ">", "<", ":", "=", "~"} {
		if strings.HasPrefix(rest, op) {
			name, p.at = p.in[p.at:i], i+len(op)
			if op == ":" {
				op = "="
			}
			return name, op
		}
	}
	return "", ""
}

func isName(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func (p *parser) bare(t *term, start int) error {
	items, err := p.value(start, true)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.text == "" {
			return p.fail(it.pos, "the empty text is everywhere; write a word or a term such as status:error")
		}
		t.tests = append(t.tests, containing(it.text))
	}
	t.text = join(items, true)
	return nil
}

func (p *parser) compare(t *term, f *field, op string, start, opAt int) error {
	if !strings.Contains(f.kind.operators(), op) {
		return p.fail(opAt, "%s does not take %q; it takes %s", f.name, op, f.kind.operators())
	}
	items, err := p.value(start, op == "=")
	if err != nil {
		return err
	}
	for _, it := range items {
		test, msg := f.test(op, it.text)
		if msg != "" {
			return p.fail(it.pos, "%s: %s", f.name, msg)
		}
		t.tests = append(t.tests, test)
	}
	if op == "=" {
		op = ":"
	}
	t.text = f.name + op + join(items, false)
	return nil
}

// value takes items up to the next space; with several, they are split at
// commas.
func (p *parser) value(term int, several bool) (items []item, err error) {
	for {
		it, err := p.item(term, several)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
		if !several || p.at == len(p.in) || p.in[p.at] != ',' {
			return items, p.ended("quote")
		}
		p.at++
	}
}

func (p *parser) item(term int, several bool) (item, error) {
	if p.at < len(p.in) && p.in[p.at] == '"' {
		return p.quoted()
	}
	it := item{pos: p.at}
	for opened := 0; p.at < len(p.in); {
		r, size := utf8.DecodeRuneInString(p.in[p.at:])
		if unicode.IsSpace(r) || several && r == ',' || r == ')' && p.open > 0 && opened == 0 {
			break
		}
		switch r {
		case '(':
			opened++
		case ')':
			opened--
		}
		p.at += size
	}
	it.text = p.in[it.pos:p.at]
	switch {
	case it.text == "" && term == it.pos:
		return it, p.fail(it.pos, "a term is missing; write a word or one such as status:error")
	case it.text == "":
		return it, p.fail(it.pos, "a value is missing after %q; for the empty text write \"\"", p.in[term:it.pos])
	}
	return it, nil
}

// quoted takes a text in double quotes. \" and \\ stand for " and \; any
// other backslash is itself, so that regular expressions need no doubling.
func (p *parser) quoted() (item, error) {
	it := item{pos: p.at}
	var b strings.Builder
	for i := p.at + 1; i < len(p.in); i++ {
		switch c := p.in[i]; {
		case c == '"':
			it.text, p.at = b.String(), i+1
			return it, nil
		case c == '\\' && i+1 < len(p.in) && (p.in[i+1] == '"' || p.in[i+1] == '\\'):
			i++
			b.WriteByte(p.in[i])
		default:
			b.WriteByte(c)
		}
	}
	return it, p.fail(it.pos, "the quote is not closed")
}

// ended checks that what a quote or a parenthesis has closed is not followed by
// more of a word.
func (p *parser) ended(what string) error {
	if p.at == len(p.in) {
		return nil
	}
	if r, _ := utf8.DecodeRuneInString(p.in[p.at:]); !unicode.IsSpace(r) && !(r == ')' && p.open > 0) {
		return p.fail(p.at, "a space is missing after the closing %s", what)
	}
	return nil
}

// join writes items so that they are read back as they are.
func join(items []item, bare bool) string {
	var b strings.Builder
	for i, it := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(it.text, bare && i == 0))
	}
	return b.String()
}

// Quote is s as it can stand as a value, in quotes where it needs them.
func Quote(s string) string { return quote(strings.ToValidUTF8(s, "\ufffd"), false) }

func quote(s string, first bool) string {
	if plain(s, first) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// plain reports whether s needs no quotes; first says that it would begin a
// term, where signs and operators have a meaning.
func plain(s string, first bool) bool {
	if s == "" || s[0] == '"' || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",()", r) }) {
		return false
	}
	return !first || !joins(s) && s[0] != '-' && s[0] != '!' && !strings.ContainsAny(s, ":=<>~!")
}

// joins reports whether s would be taken for one of the words that join terms.
func joins(s string) bool {
	return strings.EqualFold(s, "or") || strings.EqualFold(s, "and") || strings.EqualFold(s, "not")
}
