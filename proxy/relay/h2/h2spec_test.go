package h2

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/relay"
)

// TestH2spec runs the conformance suite where its program is in PATH. (The
// module internal/e2e builds and runs it against pitot.)
func TestH2spec(t *testing.T) {
	program, err := exec.LookPath("h2spec")
	if err != nil {
		t.Skip("h2spec is not in PATH")
	}
	_, at := serve(t, hello, ServerOptions{})
	host, port, _ := net.SplitHostPort(at)
	out, err := exec.CommandContext(t.Context(), program, "-h", host, "-p", port, "-o", "5", "--strict").CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 0 failed") {
		t.Errorf("%v\n%s", err, out)
	}
}

// hello answers with a body.
func hello(c relay.Client) {
	for {
		if _, err := c.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return
		}
	}
	if c.Answer(&http1.Head{Status: 200}, false) == nil && c.Write([]byte("hello, h2spec")) == nil {
		_ = c.Finish(nil)
	}
}
