package h1

import (
	"os"
	"strings"
	"testing"
)

// docs/protocols.md names every local reply.
func TestLocalRepliesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocols.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, f := range []failure{
		headTimeout, requestTimeout, requestStill, answerStill, answerTimeout, noRoute, noCluster, noHost, connectFailed,
		connectTimeout, upstreamClosed, upstreamReset, upstreamCut, upstreamBroke, bodyTooLarge, connectRefused, clientGone,
		proxyEnds, unaskedUpgrade,
	} {
		detail := f.detail
		if i := strings.IndexByte(detail, '{'); i >= 0 && !strings.Contains(text, detail) {
			detail = detail[i:]
		}
		if !strings.Contains(text, "`"+detail) {
			t.Errorf("docs/protocols.md does not tell of %d %s", f.status, f.detail)
		}
	}
}
