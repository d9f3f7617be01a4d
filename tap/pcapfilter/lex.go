package pcapfilter

import "fmt"

// token is a word or an operator.
type token struct {
	text string
	pos  int
	op   bool
}

func lex(s string) (all []token, err error) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case wordByte(c):
			from := i
			for i < len(s) && wordByte(s[i]) {
				i++
			}
			all = append(all, token{text: s[from:i], pos: from})
		default:
			op := operator(s[i:])
			if op == "" {
				return nil, &Error{Input: s, Pos: i, Msg: fmt.Sprintf("%q means nothing here; there are %s", c, Supported)}
			}
			all = append(all, token{text: canonical(op), pos: i, op: true})
			i += len(op)
		}
	}
	return all, nil
}

func wordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '.' || c == ':' || c == '/' || c == '-' || c == '_' || c == '\\'
}

// operator is the operator that s begins with, "" when there is none.
func operator(s string) string {
	for _, op := range []string{"&&", "||", "<=", ">=", "==", "!=", "<", ">", "=", "!", "(", ")"} {
		if len(s) >= len(op) && s[:len(op)] == op {
			return op
		}
	}
	return ""
}

// canonical is the form of an operator that the parser knows.
func canonical(op string) string {
	switch op {
	case "&&":
		return "and"
	case "||":
		return "or"
	case "!":
		return "not"
	case "==":
		return "="
	}
	return op
}
