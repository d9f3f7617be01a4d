package hop

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// docs/protocols.md names every local reply.
func TestLocalRepliesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocols.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, f := range []*Failure{
		HeadTimeout, RequestTimeout, RequestStill, AnswerStill, AnswerTimeout, NoRoute, NoCluster, NoHost, ConnectFailed,
		ConnectTimeout, UpstreamClosed, UpstreamReset, UpstreamCut, UpstreamBroke, BodyTooLarge, ConnectRefused, ClientGone,
		ProxyEnds, TryTimeout, TryStill, UnaskedUpgrade, UpgradeRefused, PathRefused, LoopDetected,
	} {
		detail := f.Detail
		if i := strings.IndexByte(detail, '{'); i >= 0 && !strings.Contains(text, detail) {
			detail = detail[i:]
		}
		if !strings.Contains(text, "`"+detail) {
			t.Errorf("docs/protocols.md does not tell of %d %s", f.Status, f.Detail)
		}
	}
}
