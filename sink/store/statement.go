package store

import (
	"strings"
)

// statement is SQL text as far as the server has to understand it before the engine does.
type statement struct {
	sql    string // what the engine is given
	insert bool   // an INSERT whose data follows outside the SQL
	format string // the format named in the text, or ""
	data   string // the beginning of the data, when it stood in the same text
	done   bool   // insert only: the text reaches to where data begins
	verb   string // first keyword, upper case
	infile bool   // INSERT ... FROM INFILE, which would read a file of the store's machine
}

// parse splits an INSERT from its data and finds the output format of other statements. It reads tokens only; the engine judges the rest.
func parse(text string) statement {
	s := statement{sql: text}
	l := lexer{text: text}
	depth := 0
	for {
		word, ok := l.next()
		if !ok {
			break
		}
		switch word {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		}
		if depth != 0 {
			continue
		}
		if s.verb == "" {
			s.verb = strings.ToUpper(word)
			s.insert = s.verb == "INSERT"
			continue
		}
		if s.keyword(&l, word) {
			return s
		}
	}
	s.sql = strings.TrimRight(text, "; \t\r\n")
	return s
}

// keyword looks at a word outside brackets; true means that the statement ends here.
func (s *statement) keyword(l *lexer, word string) bool {
	switch {
	case strings.EqualFold(word, "FORMAT"):
		begin := l.start
		name, ok := l.next()
		if !ok || !isWord(name[0]) {
			return false
		}
		s.format = name
		if s.insert {
			s.sql, s.data, s.done = l.text[:begin], afterFormat(l.text[l.pos:]), true
		}
		return s.insert
	case !s.insert:
		return false
	case strings.EqualFold(word, "INFILE"):
		s.insert, s.infile = false, true
	case strings.EqualFold(word, "VALUES"):
		s.sql, s.data, s.format, s.done = l.text[:l.start], l.text[l.pos:], "Values", true
		return true
	case strings.EqualFold(word, "SELECT"), strings.EqualFold(word, "WITH"), strings.EqualFold(word, "WATCH"):
		s.insert = false // INSERT ... SELECT is an ordinary statement
	}
	return false
}

// afterFormat skips what ClickHouse skips between a format's name and its data: blanks and one line end.
func afterFormat(rest string) string {
	rest = strings.TrimLeft(rest, " \t\f")
	rest = strings.TrimPrefix(rest, ";")
	rest = strings.TrimPrefix(rest, "\r")
	return strings.TrimPrefix(rest, "\n")
}

// lexer walks SQL text by words and signs, over comments and through quotes.
type lexer struct {
	text       string
	start, pos int // of the last token
}

// next returns the next token: a word, a quoted string with its quotes, or one sign.
func (l *lexer) next() (string, bool) {
	l.skip()
	if l.pos >= len(l.text) {
		return "", false
	}
	l.start = l.pos
	switch c := l.text[l.pos]; {
	case c == '\'' || c == '"' || c == '`':
		l.quoted(c)
	case isWord(c):
		for l.pos < len(l.text) && isWord(l.text[l.pos]) {
			l.pos++
		}
	default:
		l.pos++
	}
	return l.text[l.start:l.pos], true
}

// skip passes blanks and comments.
func (l *lexer) skip() {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch {
		case strings.ContainsRune(" \t\r\n\f\v", rune(rest[0])):
			l.pos++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
			l.past(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			l.past(rest, "*/")
		default:
			return
		}
	}
}

func (l *lexer) past(rest, end string) {
	if i := strings.Index(rest, end); i >= 0 {
		l.pos += i + len(end)
		return
	}
	l.pos = len(l.text)
}

// quoted passes a quoted string: backslash escapes, and a doubled quote is one of its characters.
func (l *lexer) quoted(quote byte) {
	for l.pos++; l.pos < len(l.text); l.pos++ {
		switch l.text[l.pos] {
		case '\\':
			l.pos++
		case quote:
			l.pos++
			return // a doubled quote reads as two strings side by side, which is as good here
		}
	}
	l.pos = min(l.pos, len(l.text))
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// quote makes a string literal.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// identifier makes a quoted name.
func identifier(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}

// streams tells whether blocks of the format, each formatted on its own, make the whole when joined: it has no prefix, suffix or
// delimiter between rows of different blocks.
func streams(format string) bool {
	switch format {
	case "Native", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "Raw", "CSV", "JSONEachRow", "JSONLines", "NDJSON", "JSONStringsEachRow",
		"JSONCompactEachRow", "JSONCompactStringsEachRow", "RowBinary", "TSKV", "LineAsString":
		return true
	}
	return false
}

// contentType is the Content-Type ClickHouse gives a format.
func contentType(format string) string {
	switch {
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8; header=" + map[bool]string{true: "present", false: "absent"}[strings.Contains(format, "Names")]
	case strings.HasSuffix(format, "EachRow"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case format == "Native", strings.HasPrefix(format, "RowBinary"), format == "Parquet", strings.HasPrefix(format, "Arrow"), format == "ORC":
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}

// Split cuts text at the semicolons that end statements; rest is what follows the last one. An INSERT with a FORMAT takes all that follows
// as its data.
func Split(text string) (statements []string, rest string) {
	for {
		n, ok := end(text)
		if !ok {
			return statements, text
		}
		if s := strings.TrimSpace(text[:n]); s != "" {
			statements = append(statements, s)
		}
		text = text[n+1:]
	}
}

// end finds the semicolon that ends the first statement of text.
func end(text string) (int, bool) {
	l := lexer{text: text}
	first, insert := true, false
	for {
		word, ok := l.next()
		switch {
		case !ok:
			return 0, false
		case word == ";":
			return l.start, true
		case insert && strings.EqualFold(word, "FORMAT"):
			return 0, false
		}
		insert = insert || first && strings.EqualFold(word, "INSERT")
		first = false
	}
}
