package accesslog

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// fieldsOf shows a message: fields by number, messages in braces, as far as
// numbers in nested say that a field is one.
func fieldsOf(b []byte, path string, nested map[string]bool) (string, error) {
	var out []string
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return "", protowire.ParseError(n)
		}
		b = b[n:]
		at := fmt.Sprintf("%s/%d", path, num)
		switch kind {
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return "", protowire.ParseError(n)
			}
			b = b[n:]
			if nested[at] {
				s, err := fieldsOf(v, at, nested)
				if err != nil {
					return "", err
				}
				out = append(out, fmt.Sprintf("%d{%s}", num, s))
			} else {
				out = append(out, fmt.Sprintf("%d:%q", num, v))
			}
		case protowire.Fixed64Type:
			v, n := protowire.ConsumeFixed64(b)
			if n < 0 {
				return "", protowire.ParseError(n)
			}
			b = b[n:]
			out = append(out, fmt.Sprintf("%d:%d", num, v))
		default:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return "", protowire.ParseError(n)
			}
			b = b[n:]
			out = append(out, fmt.Sprintf("%d:%d", num, v))
		}
	}
	return strings.Join(out, " "), nil
}

// wrongRecord says what is wrong with a request of two records of entry.
func wrongRecord(b []byte) string {
	nested := map[string]bool{}
	for _, p := range strings.Fields("/1 /1/1 /1/1/1 /1/1/1/2 /1/2 /1/2/1 /1/2/2 /1/2/2/5 /1/2/2/6 /1/2/2/6/2") {
		nested[p] = true
	}
	got, err := fieldsOf(b, "", nested)
	if err != nil {
		return err.Error()
	}
	record := `2{1:1772600767000000000 11:1772600767034567000 2:17 5{1:"GET 504"} 6{1:"bytes" 2{1:"` + "\uFFFDé" + `"}} ` +
		`9:"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" 10:"\x00\x00\x00\x00\x00\x00\x00\x02"}`
	want := `1{1{1{1:"service.name" 2{1:"shop"}}} 2{1{1:"pitot.access_log"} ` + record + " " + record + "}}"
	if got != want {
		return "got  " + got + "\nwant " + want
	}
	return ""
}
