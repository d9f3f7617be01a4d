package nodedriver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/internal/minimongo"
	"github.com/pitot-io/pitot/internal/minimongo/nodedriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheNodeDriverWorksWithEachCompressor(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // the first run installs the driver
	defer cancel()
	for _, compressor := range nodedriver.Compressors() {
		t.Run("compressor="+compressor, func(t *testing.T) {
			s, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			sent, err := nodedriver.Run(ctx, s.URI(), compressor)
			if errors.Is(err, nodedriver.ErrNoNode) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			took := s.Commands()
			for name, n := range sent {
				if name != "noSuchThing" && took[name] != int64(n) {
					t.Errorf("the driver sent %s %d times, the server took it %d times", name, n, took[name])
				}
			}
			if sent["getMore"] == 0 || sent["commitTransaction"] != 1 || sent["killCursors"] != 1 {
				t.Errorf("sent %v", sent)
			}
		})
	}
}
