package tui

import (
	"testing"

	"go.uber.org/goleak"
)

const (
	// teatest keeps a goroutine of its own that waits for an interrupt.
	teatestWaits = "github.com/charmbracelet/x/exp/teatest/v2.NewTestModel.func2"
	// The prompt's cursor blinks by a command that outlives its program by half
	// a second, which is longer than goleak waits for what ends by itself.
	cursorBlinks = "charm.land/bubbles/v2/cursor.(*Model).Blink.func1"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(teatestWaits), goleak.IgnoreTopFunction(cursorBlinks))
}
