package tui

import (
	"testing"

	"go.uber.org/goleak"
)

// teatest keeps a goroutine of its own that waits for an interrupt.
const teatestWaits = "github.com/charmbracelet/x/exp/teatest/v2.NewTestModel.func2"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(teatestWaits)) }
