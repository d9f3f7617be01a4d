package semantics

// Method is m as a constant, empty for a method that the semantic conventions
// do not list.
func Method(m []byte) string {
	switch string(m) {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "DELETE":
		return "DELETE"
	case "HEAD":
		return "HEAD"
	case "OPTIONS":
		return "OPTIONS"
	case "PATCH":
		return "PATCH"
	case "CONNECT":
		return "CONNECT"
	case "TRACE":
		return "TRACE"
	case "QUERY":
		return "QUERY"
	}
	return ""
}

// AppendMethod adds the method as an operation's name has it: HTTP for one that
// Method does not know, so that names stay few.
func AppendMethod(b, m []byte) []byte {
	if s := Method(m); s != "" {
		return append(b, s...)
	}
	return append(b, "HTTP"...)
}

// AppendTemplated adds a blank and path's template, which begins at template.
func AppendTemplated(b []byte, path string) (out []byte, template int) {
	b = append(b, ' ')
	return AppendTemplate(b, path), len(b)
}
