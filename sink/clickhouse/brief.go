package clickhouse

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// maxWords bounds what an error repeats of a server's or a client's words, in bytes.
const maxWords = 400

// brief says in one line what err says. The client's errors hold the URL with the whole INSERT in it, or the page of a server that is no
// ClickHouse. What err wraps can still be asked for.
func brief(err error) error {
	text := err.Error()
	var exception *clickhouse.Exception
	var page *clickhouse.HTTPError
	var request *url.Error
	switch {
	case errors.As(err, &exception):
		text = fmt.Sprintf("code %d: %s", exception.Code, exception.Message)
	case errors.As(err, &page):
		text = page.Error()
	case errors.As(err, &request):
		text = request.Err.Error()
	}
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, `\n`, " ")), " ")
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "..."
	}
	return briefError{text, err}
}

type briefError struct {
	text string
	err  error
}

func (b briefError) Error() string { return b.text }
func (b briefError) Unwrap() error { return b.err }

// unusable is the error of a store that does not answer as one, with the mend that fits.
func unusable(addr string, err error) error {
	var exception *clickhouse.Exception
	var page *clickhouse.HTTPError
	what, mend := "cannot be reached", "is it running? `pitot store` starts the embedded one"
	switch {
	case errors.As(err, &exception) && exception.Code == 516: // AUTHENTICATION_FAILED
		what, mend = "cannot be used", "name them as in http://USER:PASSWORD@HOST:8123"
	case errors.As(err, &exception):
		what, mend = "cannot be used", "the server says so itself"
	case errors.As(err, &page):
		what, mend = "cannot be used", "is a ClickHouse there?"
	case spokeHTTP(err):
		what, mend = "cannot be used", "HTTP is spoken there: begin the DSN with http://"
	}
	return fmt.Errorf("store %s %s: %w (%s)", addr, what, brief(err), mend)
}

// spokeHTTP reports whether the native protocol met a server of HTTP.
func spokeHTTP(err error) bool {
	return strings.Contains(err.Error(), "[handshake] unexpected packet [72]") // the H of HTTP/1.1
}

// absent reports whether err says that nobody answered, who may be there later.
func absent(err error) bool {
	var exception *clickhouse.Exception
	var page *clickhouse.HTTPError
	return !errors.As(err, &exception) && !errors.As(err, &page) && !spokeHTTP(err)
}
