package store

import (
	"net/http"
	"strconv"
	"strings"
)

// Exception is an error of the engine, or one said in its manner. Text is complete: "Code: 60. DB::Exception: ... (UNKNOWN_TABLE)".
type Exception struct {
	Code int
	Name string // ClickHouse's name of Code, where the text tells it
	Text string
}

func (e *Exception) Error() string { return e.Text }

// newException reads code and name out of the engine's text.
func newException(text string) *Exception {
	text, _, _ = strings.Cut(strings.TrimSpace(text), " (version ") // said once, at the end of the answer
	e := &Exception{Code: 1002, Name: "UNKNOWN_EXCEPTION", Text: text}
	if rest, ok := strings.CutPrefix(text, "Code: "); ok {
		digits, _, _ := strings.Cut(rest, ".")
		if code, err := strconv.Atoi(digits); err == nil {
			e.Code = code
		}
	}
	if open := strings.LastIndexByte(text, '('); open >= 0 && strings.HasSuffix(text, ")") {
		e.Name = text[open+1 : len(text)-1]
	}
	return e
}

// raise makes an exception of this package's own.
func raise(code int, name, text string) *Exception {
	return &Exception{Code: code, Name: name, Text: "Code: " + strconv.Itoa(code) + ". DB::Exception: " + text + ". (" + name + ")"}
}

// The exceptions this package raises, with ClickHouse's numbers (ErrorCodes.cpp).

func badParameter(text string) *Exception { return raise(36, "BAD_REQUEST_PARAMETER", text) }

func tooLarge(text string) *Exception { return raise(307, "TOO_MANY_BYTES", text) }

func badData(text string) *Exception { return raise(271, "CANNOT_DECOMPRESS", text) }

func readOnly(text string) *Exception { return raise(164, "READONLY", text) }

func notImplemented(text string) *Exception { return raise(48, "NOT_IMPLEMENTED", text) }

func wrongUser(user string) *Exception {
	return raise(516, "AUTHENTICATION_FAILED", user+": Authentication failed: password is incorrect, or there is no user with such name")
}

// status is the HTTP status ClickHouse answers an exception with; whatever it has no status for is a 500.
func (e *Exception) status() int {
	switch e.Name {
	case "REQUIRED_PASSWORD":
		return http.StatusUnauthorized
	case "UNKNOWN_USER", "WRONG_PASSWORD", "AUTHENTICATION_FAILED", "SET_NON_GRANTED_ROLE":
		return http.StatusForbidden
	case "BAD_ARGUMENTS", "BAD_REQUEST_PARAMETER", "INVALID_SESSION_TIMEOUT",
		"CANNOT_PARSE_TEXT", "CANNOT_PARSE_ESCAPE_SEQUENCE", "CANNOT_PARSE_QUOTED_STRING", "CANNOT_PARSE_DATE", "CANNOT_PARSE_DATETIME",
		"CANNOT_PARSE_NUMBER", "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING", "CANNOT_PARSE_IPV4", "CANNOT_PARSE_IPV6", "CANNOT_PARSE_UUID",
		"CANNOT_PARSE_INPUT_ASSERTION_FAILED", "CANNOT_DECOMPRESS", "UNKNOWN_ELEMENT_IN_AST", "UNKNOWN_TYPE_OF_AST_NODE", "TOO_DEEP_AST",
		"TOO_BIG_AST", "UNEXPECTED_AST_STRUCTURE", "SYNTAX_ERROR", "INCORRECT_DATA", "TYPE_MISMATCH", "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE":
		return http.StatusBadRequest
	case "UNKNOWN_TABLE", "UNKNOWN_FUNCTION", "UNKNOWN_IDENTIFIER", "UNKNOWN_TYPE", "UNKNOWN_STORAGE", "UNKNOWN_DATABASE", "UNKNOWN_SETTING",
		"UNKNOWN_DIRECTION_OF_SORTING", "UNKNOWN_AGGREGATE_FUNCTION", "UNKNOWN_FORMAT", "UNKNOWN_DATABASE_ENGINE", "UNKNOWN_TYPE_OF_QUERY",
		"SESSION_NOT_FOUND":
		return http.StatusNotFound
	case "TIMEOUT_EXCEEDED":
		return http.StatusRequestTimeout
	case "QUERY_IS_TOO_LARGE", "TOO_MANY_BYTES":
		return http.StatusRequestEntityTooLarge
	case "NOT_IMPLEMENTED":
		return http.StatusNotImplemented
	case "SOCKET_TIMEOUT", "CANNOT_OPEN_FILE", "ABORTED":
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
